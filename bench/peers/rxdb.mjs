// SPDX-License-Identifier: MIT
// RxDB with its memory storage: documents as they are, replication by handlers.
import { createRxDatabase } from 'rxdb/plugins/core'
import { replicateRxCollection } from 'rxdb/plugins/replication'
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory'
import { Remote } from './remote.mjs'

const batchSize = 1000

const text = { type: 'string' }
const number = { type: 'number' }
const schema = {
    version: 0,
    primaryKey: 'id',
    type: 'object',
    properties: {
        id: { type: 'string', maxLength: 16 },
        data: {
            type: 'object',
            properties: { title: text, body: text, done: { type: 'boolean' }, n: number },
        },
        status: text,
        updatedAt: text,
        version: number,
        revision: text,
        tags: { type: 'array', items: text },
    },
    required: ['id', 'data'],
}

const isSame = (a, b) => a.updatedAt === b.updatedAt && a.version === b.version

const live = (record) => {
    record._deleted = false
    return record
}

/** RxDB pushes before it pulls, so that a page may list what a push has replaced. */
const pulling = (remote) => async (checkpoint) => {
    const place = checkpoint?.place ?? 0
    if (place === remote.pageCount) return { documents: [], checkpoint }
    const documents = remote.page(place).map((record) => {
        const held = remote.states.get(record.id)
        return isSame(held, record) ? live(record) : held
    })
    return { documents, checkpoint: { place: place + 1 } }
}

/** Takes what was made from the state that is held, and answers with the others' states. */
const pushing = (remote) => async (changes) => {
    const conflicts = []
    for (const { newDocumentState, assumedMasterState } of changes) {
        const held = remote.states.get(newDocumentState.id)
        if (held !== undefined && !(assumedMasterState && isSame(held, assumedMasterState))) {
            conflicts.push(live({ ...held }))
        } else {
            remote.take(newDocumentState)
        }
    }
    return conflicts
}

class Device {
    #database
    #notes
    #resolve = (_, theirs) => theirs

    async open() {
        this.#database = await createRxDatabase({
            name: `notes${Math.random()}`,
            storage: getRxStorageMemory(),
            multiInstance: false,
        })
        const conflictHandler = {
            isEqual: isSame,
            resolve: ({ newDocumentState, realMasterState }) =>
                this.#resolve(newDocumentState, realMasterState),
        }
        const { notes } = await this.#database.addCollections({ notes: { schema, conflictHandler } })
        this.#notes = notes
        return this
    }

    put(record) {
        return this.#notes.insert(record)
    }

    async putAll(records) {
        const { error } = await this.#notes.bulkInsert(records)
        if (error.length > 0) throw new Error(JSON.stringify(error[0]))
    }

    async edit(records) {
        const { error } = await this.#notes.bulkUpsert(records)
        if (error.length > 0) throw new Error(JSON.stringify(error[0]))
    }

    async get(id) {
        return (await this.#notes.findOne(id).exec()).data.n
    }

    /** An index over the members of an array is not to be had. */
    async index() {}

    async byTag(tag) {
        const selector = { tags: { $elemMatch: { $eq: tag } } }
        const found = await this.#notes.find({ selector }).exec()
        return found.map((note) => note.data.n)
    }

    pull(remote) {
        return this.#replicate({ pull: { handler: pulling(remote), batchSize } })
    }

    push(remote) {
        return this.#replicate({ push: { handler: pushing(remote), batchSize } })
    }

    sync(remote, resolve = this.#resolve) {
        this.#resolve = resolve
        return this.#replicate({
            pull: { handler: pulling(remote), batchSize },
            push: { handler: pushing(remote), batchSize },
        })
    }

    async listen(heard) {
        const subscription = this.#notes.$.subscribe((event) => heard(event.documentData.data.n))
        return () => subscription.unsubscribe()
    }

    async numbers() {
        const all = await this.#notes.find().exec()
        return new Map(all.map((note) => [note.id, note.data.n]))
    }

    close() {
        return this.#database.close()
    }

    async #replicate(directions) {
        const replication = replicateRxCollection({
            collection: this.#notes,
            replicationIdentifier: 'notes',
            live: false,
            waitForLeadership: false,
            ...directions,
        })
        const failed = new Promise((_, reject) => replication.error$.subscribe(reject))
        await Promise.race([replication.awaitInitialReplication(), failed])
        await replication.cancel()
    }
}

export const peer = {
    open: () => new Device().open(),
    remote: async () => new Remote(batchSize),
}
