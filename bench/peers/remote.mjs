// SPDX-License-Identifier: MIT
import { numbers, parsed } from './workload.mjs'

/** The other side: it serves the JSON text of pages, and takes all that is pushed. */
export class Remote {
    #pageSize
    #pages = []
    states = new Map()
    /** How many records were pushed. */
    taken = 0

    constructor(pageSize) {
        this.#pageSize = pageSize
    }

    /** Other devices have written these lines. */
    async offer(lines) {
        for (const record of parsed(lines)) this.states.set(record.id, record)
        for (let from = 0; from < lines.length; from += this.#pageSize) {
            const page = lines.slice(from, from + this.#pageSize)
            this.#pages.push(`{"records":[${page.join(',')}]}`)
        }
    }

    get pageCount() {
        return this.#pages.length
    }

    /** Parses a page; the work of whoever pulls it. */
    page(place) {
        return JSON.parse(this.#pages[place]).records
    }

    take(record) {
        ++this.taken
        this.states.set(record.id, record)
    }

    numbers() {
        return numbers([...this.states.values()])
    }
}
