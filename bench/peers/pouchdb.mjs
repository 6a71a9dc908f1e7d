// SPDX-License-Identifier: MIT
// PouchDB with its memory adapter: documents as they are, replication with a remote that has as much of a
// database as replication calls, so that no other end's work is counted.
import PouchDB from 'pouchdb'
import memory from 'pouchdb-adapter-memory'
import { EventEmitter } from 'node:events'
import { Remote } from './remote.mjs'

PouchDB.plugin(memory)

/** One call for all of 10,000 costs more than ten. */
const batchSize = 1000

const document = ({ id, ...members }) => ({ _id: id, ...members })

/** Calls `take` with at most `batchSize` of them at a time. */
const inBatches = async (all, take) => {
    for (let from = 0; from < all.length; from += batchSize) {
        await take(all.slice(from, from + batchSize))
    }
}

class PouchRemote extends Remote {
    #feed = []
    #revisions = new Map()
    #pages = new Map()
    #checkpoints = new Map()
    activeTasks = { add: () => 0, get: () => undefined, update: () => {}, remove: () => {} }

    constructor() {
        super(batchSize)
    }

    /** Each offer is one more revision of its records. */
    async offer(lines) {
        const first = this.pageCount
        await super.offer(lines)
        const hash = `${first}`.padStart(32, '0')
        for (let place = first; place < this.pageCount; ++place) {
            const ids = this.page(place).map(({ id }) => id)
            for (const id of ids) {
                this.#revisions.set(id, [hash, ...(this.#revisions.get(id) ?? [])])
                this.#pages.set(id, place)
            }
            this.#feed.push(ids)
        }
    }

    async id() {
        return 'remote'
    }

    async info() {
        return { db_name: 'remote', update_seq: this.#feed.length }
    }

    /** Nothing but checkpoints is asked for. */
    async get(id) {
        const checkpoint = this.#checkpoints.get(id)
        if (checkpoint === undefined) throw Object.assign(new Error('missing'), { status: 404 })
        return checkpoint
    }

    async put(checkpoint) {
        this.#checkpoints.set(checkpoint._id, checkpoint)
    }

    once() {}
    removeListener() {}

    /** A page at a time; its number is the sequence. */
    changes({ since }) {
        const results = (this.#feed[since] ?? []).map((id) => ({
            id,
            seq: since + 1,
            changes: [{ rev: this.#newest(id) }],
        }))
        const answer = new EventEmitter()
        const done = new Promise((resolve) =>
            setImmediate(() => {
                for (const change of results) answer.emit('change', change)
                resolve({ results, last_seq: Math.min(since + 1, this.#feed.length) })
            }),
        )
        answer.then = done.then.bind(done)
        answer.cancel = () => {}
        return answer
    }

    /** What is asked for at once was listed at once: all of one page, and none of it is known yet. */
    async bulkGet({ docs: [{ id }] }) {
        const results = this.page(this.#pages.get(id)).map((record) => {
            const ids = this.#revisions.get(record.id)
            const revisions = { _rev: this.#newest(record.id), _revisions: { start: ids.length, ids } }
            return { id: record.id, docs: [{ ok: Object.assign(document(record), revisions) }] }
        })
        return { results }
    }

    async revsDiff(asked) {
        const missing = {}
        for (const [id, revisions] of Object.entries(asked)) {
            const unknown = revisions.filter((revision) => revision !== this.#newest(id))
            if (unknown.length > 0) missing[id] = { missing: unknown }
        }
        return missing
    }

    /** A tombstone ends the branch that lost. */
    async bulkDocs({ docs }) {
        for (const { _id: id, _deleted, ...members } of docs) {
            if (!_deleted) this.take({ id, ...members })
        }
        return []
    }

    #newest(id) {
        const ids = this.#revisions.get(id)
        return ids && `${ids.length}-${ids[0]}`
    }
}

class Device {
    #database = new PouchDB(`notes${Math.random()}`, { adapter: 'memory' })

    put(record) {
        return this.#database.put(document(record))
    }

    putAll(records) {
        return inBatches(records, (batch) => this.#write(batch.map(document)))
    }

    async edit(records) {
        const { rows } = await this.#database.allDocs({ keys: records.map(({ id }) => id) })
        const edits = records.map((record, n) => ({ ...document(record), _rev: rows[n].value.rev }))
        await inBatches(edits, (batch) => this.#write(batch))
    }

    async get(id) {
        return (await this.#database.get(id)).data.n
    }

    /** A view is built by whoever asks first. */
    async index() {
        const map = 'function (doc) { doc.tags.forEach(function (tag) { emit(tag) }) }'
        await this.#database.put({ _id: '_design/notes', views: { tags: { map } } })
        await this.byTag('none')
    }

    async byTag(tag) {
        const { rows } = await this.#database.query('notes/tags', { key: tag, include_docs: true })
        return rows.map(({ doc }) => doc.data.n)
    }

    async pull(remote) {
        await this.#database.replicate.from(remote, { batch_size: batchSize })
    }

    async push(remote) {
        await this.#database.replicate.to(remote, { batch_size: batchSize })
    }

    async sync(remote, resolve) {
        const { update_seq: since } = await this.#database.info()
        await this.pull(remote)
        if (resolve) await this.#settle(since, resolve)
        await this.push(remote)
    }

    async listen(heard) {
        const changes = this.#database
            .changes({ since: 'now', live: true, include_docs: true })
            .on('change', ({ doc }) => heard(doc.data.n))
        // It listens once it has asked where `now` is.
        await this.#database.info()
        return () => changes.cancel()
    }

    async numbers() {
        const { rows } = await this.#database.allDocs({ include_docs: true })
        return new Map(rows.map(({ id, doc }) => [id, doc.data.n]))
    }

    close() {
        return this.#database.destroy()
    }

    async #write(documents) {
        const answers = await this.#database.bulkDocs(documents)
        const refused = answers.find(({ error }) => error)
        if (refused) throw new Error(JSON.stringify(refused))
    }

    /** PouchDB keeps both revisions of a conflict and shows one; the app looks for them and deletes one. */
    async #settle(since, resolve) {
        const { results } = await this.#database.changes({
            since,
            include_docs: true,
            conflicts: true,
        })
        const shown = results.map(({ doc }) => doc).filter(({ _conflicts }) => _conflicts)
        await inBatches(shown, async (batch) => {
            const hidden = await this.#database.bulkGet({
                docs: batch.map(({ _id: id, _conflicts: [rev] }) => ({ id, rev })),
            })
            const losers = hidden.results.map(({ docs: [{ ok: other }] }, n) =>
                resolve(batch[n], other) === other ? batch[n] : other,
            )
            await this.#write(losers.map(({ _id, _rev }) => ({ _id, _rev, _deleted: true })))
        })
    }
}

export const peer = {
    open: async () => new Device(),
    remote: async () => new PouchRemote(),
}
