// SPDX-License-Identifier: MIT
// TinyBase: mergeable stores, a row a record and a cell a member. The remote is such a store too, so both
// ends' work is counted; nothing is made text on the way. The latest edit of a cell wins by itself.
import { createIndexes } from 'tinybase/indexes'
import { createMergeableStore } from 'tinybase/mergeable-store'
import { createCustomSynchronizer } from 'tinybase/synchronizers'
import { parsed } from './workload.mjs'

// More than any sync takes: the one that comes with TinyBase gives up too early for large stores.
const requestTimeoutSeconds = 600

const put = (store, { id, data, ...members }) => store.setRow('notes', id, { ...members, ...data })

const putAll = (store, records) =>
    store.transaction(() => {
        for (const record of records) put(store, record)
    })

const numbers = (store) =>
    new Map(store.getRowIds('notes').map((id) => [id, store.getCell('notes', id, 'n')]))

/** Two synchronizers that hand each other their messages. */
const connected = (stores) => {
    const receivers = []
    return stores.map((store, here) =>
        createCustomSynchronizer(
            store,
            (_, requestId, message, body) =>
                queueMicrotask(() => receivers[1 - here]?.(`${here}`, requestId, message, body)),
            (receive) => (receivers[here] = receive),
            () => (receivers[here] = undefined),
            requestTimeoutSeconds,
        ),
    )
}

/** `to` loads what `from` has and it has not. */
const transfer = async (from, to) => {
    const [sender, receiver] = connected([from, to])
    await sender.startAutoSave()
    await receiver.load()
    await Promise.all([sender.destroy(), receiver.destroy()])
}

class TinyRemote {
    store = createMergeableStore('remote')
    taken = 0

    async offer(lines) {
        putAll(this.store, parsed(lines))
    }

    numbers() {
        return numbers(this.store)
    }
}

class Device {
    #store = createMergeableStore('device')
    #indexes

    put(record) {
        put(this.#store, record)
    }

    putAll(records) {
        putAll(this.#store, records)
    }

    edit(records) {
        putAll(this.#store, records)
    }

    get(id) {
        return this.#store.getRow('notes', id).n
    }

    async index() {
        this.#indexes = createIndexes(this.#store)
        this.#indexes.setIndexDefinition('tags', 'notes', (cell) => cell('tags'))
    }

    byTag(tag) {
        return this.#indexes
            .getSliceRowIds('tags', tag)
            .map((id) => this.#store.getRow('notes', id).n)
    }

    pull(remote) {
        return transfer(remote.store, this.#store)
    }

    push(remote) {
        return transfer(this.#store, remote.store)
    }

    async sync(remote) {
        await this.pull(remote)
        await this.push(remote)
    }

    async listen(heard) {
        const id = this.#store.addRowListener('notes', null, (store, table, row) =>
            heard(store.getRow(table, row).n),
        )
        return () => this.#store.delListener(id)
    }

    numbers() {
        return numbers(this.#store)
    }

    close() {
        this.#indexes?.destroy()
    }
}

export const peer = {
    open: async () => new Device(),
    remote: async () => new TinyRemote(),
}
