// SPDX-License-Identifier: MIT
// WatermelonDB on LokiJS in memory: a table with a column a member, tags as text in one of them.
import { appSchema, Database, Model, Q, tableSchema } from '@nozbe/watermelondb/index.js'
import LokiJSAdapter from '@nozbe/watermelondb/adapters/lokijs/index.js'
import { synchronize } from '@nozbe/watermelondb/sync/index.js'
import logger from '@nozbe/watermelondb/utils/common/logger/index.js'
import { Remote } from './remote.mjs'

logger.default.silence()

const column = (name, type = 'string') => ({ name, type, isOptional: true })
const schema = appSchema({
    version: 1,
    tables: [
        tableSchema({
            name: 'notes',
            columns: [
                column('title'),
                column('body'),
                column('done', 'boolean'),
                column('n', 'number'),
                column('status'),
                column('edited_at'),
                column('version', 'number'),
                column('revision'),
                column('tags'),
            ],
        }),
    ],
})

class Note extends Model {
    static table = 'notes'
}

const row = ({ id, data, updatedAt, tags, ...members }) => ({
    id,
    ...data,
    ...members,
    edited_at: updatedAt,
    tags: `,${tags.join()},`,
})

const record = ({ id, title, body, done, n, edited_at: updatedAt, version }) => ({
    id,
    data: { title, body, done, n },
    updatedAt,
    version,
})

/** Its protocol has no pages: what was offered at once is one answer. */
const pulling = (remote) => async ({ lastPulledAt }) => {
    const from = lastPulledAt ?? 0
    const rows = []
    for (let place = from; place < remote.pageCount; ++place) {
        rows.push(...remote.page(place).map(row))
    }
    const [created, updated] = from === 0 ? [rows, []] : [[], rows]
    return {
        changes: { notes: { created, updated, deleted: [] } },
        // Of what is pulled, so that it may not be zero.
        timestamp: Math.max(1, remote.pageCount),
    }
}

const pushing = (remote) => async ({ changes }) => {
    for (const row of changes.notes.created) remote.take(record(row))
    for (const row of changes.notes.updated) remote.take(record(row))
}

/** The columns that were changed here are in `merged` already. */
const resolving = (resolve) => (_, local, remote, merged) => {
    const winner = resolve({ updatedAt: local.edited_at }, { updatedAt: remote.edited_at })
    return winner.updatedAt === local.edited_at ? merged : { ...merged, ...remote }
}

class Device {
    #database = new Database({
        adapter: new LokiJSAdapter.default({
            schema,
            useWebWorker: false,
            useIncrementalIndexedDB: false,
            extraLokiOptions: { autosave: false },
        }),
        modelClasses: [Note],
    })
    #notes = this.#database.get('notes')

    put(record) {
        return this.putAll([record])
    }

    putAll(records) {
        return this.#database.write(() =>
            this.#database.batch(
                records.map((record) => this.#notes.prepareCreateFromDirtyRaw(row(record))),
            ),
        )
    }

    async edit(records) {
        const notes = await Promise.all(records.map(({ id }) => this.#notes.find(id)))
        const change = (note, { data, updatedAt, version }) =>
            note.prepareUpdate(() => {
                note._setRaw('n', data.n)
                note._setRaw('edited_at', updatedAt)
                note._setRaw('version', version)
            })
        await this.#database.write(() =>
            this.#database.batch(notes.map((note, n) => change(note, records[n]))),
        )
    }

    async get(id) {
        return (await this.#notes.find(id))._raw.n
    }

    /** An index over words in a text is not to be had. */
    async index() {}

    async byTag(tag) {
        const found = await this.#notes.query(Q.where('tags', Q.like(`%,${tag},%`))).fetch()
        return found.map((note) => note._raw.n)
    }

    pull(remote) {
        return synchronize({ database: this.#database, pullChanges: pulling(remote) })
    }

    /** There is no push without a pull: nothing comes. */
    push(remote) {
        return this.sync(remote)
    }

    sync(remote, resolve) {
        return synchronize({
            database: this.#database,
            pullChanges: pulling(remote),
            pushChanges: pushing(remote),
            conflictResolver: resolve && resolving(resolve),
        })
    }

    async listen(heard) {
        return this.#notes.experimentalSubscribe((changes) => {
            for (const { record } of changes) heard(record._raw.n)
        })
    }

    async numbers() {
        const all = await this.#notes.query().fetch()
        return new Map(all.map((note) => [note.id, note._raw.n]))
    }

    async close() {}
}

export const peer = {
    open: async () => new Device(),
    remote: async () => new Remote(Infinity),
}
