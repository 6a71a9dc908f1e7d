// SPDX-License-Identifier: MIT
// What is measured, the same for every peer. A row prepares a fresh state for each run, runs what is timed,
// and checks what came of it; a `device` in the state is closed after that. ours.cpp has the same rows.
//
// A peer opens devices (`open`) and makes the remotes that they sync with (`remote`).
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { numbers, parsed } from './workload.mjs'

const latest = (mine, theirs) => (mine.updatedAt > theirs.updatedAt ? mine : theirs)

const sum = (values) => values.reduce((total, value) => total + value, 0)

const same = (actual, expected) => {
    assert.equal(actual.size, expected.size, 'records are missing, or too many')
    for (const [id, n] of expected) assert.equal(actual.get(id), n, `another content of ${id}`)
}

/** A device that holds the records, not pushed yet. */
const filled = async (peer, lines) => {
    const device = await peer.open()
    await device.putAll(parsed(lines))
    return device
}

/** A device and its remote, which both hold the records. */
const synced = async (peer, lines) => {
    const device = await peer.open()
    const remote = await peer.remote()
    await remote.offer(lines)
    await device.sync(remote)
    return { device, remote }
}

/** Answers with what the first call made: for what only reads. */
const once = (make) => {
    let made
    return () => (made ??= make())
}

/** Ids in another order than they were put in: 7919 is a prime. */
const scattered = (records) =>
    records.map((_, n) => records[(n * 7919) % records.length].id)

const putAll = (peer, { records }) => ({
    prepare: async () => ({
        device: await peer.open(),
        records: parsed(records),
        units: records.length,
    }),
    // A peer may put off work until somebody reads.
    run: async ({ device, records }) => {
        const last = records.at(-1).id
        await device.putAll(records)
        return device.get(last)
    },
    check: async ({ device }) => same(await device.numbers(), numbers(parsed(records))),
})

const putEach = (peer, { records }) => ({
    ...putAll(peer, { records }),
    run: async ({ device, records }) => {
        for (const record of records) await device.put(record)
    },
})

const get = (peer, { records }) => {
    const reader = once(() => filled(peer, records))
    return {
        prepare: async () => ({
            reader: await reader(),
            ids: scattered(parsed(records)),
            units: records.length,
        }),
        run: async ({ reader, ids }) => {
            let total = 0
            for (const id of ids) total += await reader.get(id)
            return total
        },
        check: (_, total) => assert.equal(total, sum([...numbers(parsed(records)).values()])),
    }
}

const byTag = (peer, { records }) => {
    const tagged = (tag) => parsed(records).filter(({ tags }) => tags.includes(tag))
    const reader = once(async () => {
        const device = await filled(peer, records)
        await device.index()
        return device
    })
    return {
        // Another tag each time: an answer may be kept for the next who asks.
        prepare: async (round) => {
            const tag = `tag${round}`
            return { reader: await reader(), tag, units: tagged(tag).length }
        },
        run: async ({ reader, tag }) => sum(await reader.byTag(tag)),
        check: ({ tag }, total) => assert.equal(total, sum(tagged(tag).map(({ data }) => data.n))),
    }
}

const pushAll = (peer, { records }) => ({
    prepare: async () => ({
        device: await filled(peer, records),
        remote: await peer.remote(),
        units: records.length,
    }),
    run: ({ device, remote }) => device.push(remote),
    check: async ({ device, remote }) => {
        same(await remote.numbers(), numbers(parsed(records)))
        remote.taken = 0
        await device.push(remote)
        assert.equal(remote.taken, 0, 'what was acknowledged is pushed again')
    },
})

const firstPull = (peer, { records }) => ({
    prepare: async () => {
        const remote = await peer.remote()
        await remote.offer(records)
        return { device: await peer.open(), remote, units: records.length }
    },
    run: ({ device, remote }) => device.pull(remote),
    check: async ({ device }) => same(await device.numbers(), numbers(parsed(records))),
})

const conflictPass = (peer, { records, mine, theirs }) => ({
    // Every second record was edited here after it was edited there; who has no use for the times in
    // the records takes the order of the calls.
    prepare: async () => {
        const { device, remote } = await synced(peer, records)
        await device.edit(parsed(mine.filter((_, n) => n % 2 === 1)))
        await pause(2)
        await remote.offer(theirs)
        await pause(2)
        await device.edit(parsed(mine.filter((_, n) => n % 2 === 0)))
        return { device, remote, units: records.length }
    },
    run: ({ device, remote }) => device.sync(remote, latest),
    check: async ({ device, remote }) => {
        const [ours, others] = [parsed(mine), parsed(theirs)]
        const winners = numbers(ours.map((record, n) => latest(record, others[n])))
        same(await device.numbers(), winners)
        same(await remote.numbers(), winners)
    },
})

const incremental = (peer, { records, mine, theirs }) => {
    const few = Math.max(1, Math.floor(records.length / 100))
    return {
        prepare: async () => {
            const { device, remote } = await synced(peer, records)
            await device.edit(parsed(mine.slice(0, few)))
            await remote.offer(theirs.slice(few, 2 * few))
            return { device, remote, units: 2 * few }
        },
        run: ({ device, remote }) => device.sync(remote),
        check: async ({ device, remote }) => {
            const lines = [...mine.slice(0, few), ...theirs.slice(few, 2 * few)]
            const expected = numbers(parsed([...lines, ...records.slice(2 * few)]))
            same(await device.numbers(), expected)
            same(await remote.numbers(), expected)
        },
    }
}

const notification = (peer, { records }) => ({
    prepare: async () => {
        const device = await peer.open()
        const state = { device, records: parsed(records), units: records.length, heard: 0 }
        state.wake = () => {}
        state.stop = await device.listen((n) => {
            state.heard += n
            state.wake()
        })
        return state
    },
    run: async (state) => {
        for (const record of state.records) {
            const heard = new Promise((wake) => (state.wake = wake))
            await state.device.put(record)
            await heard
        }
    },
    check: async (state) => {
        await state.stop()
        assert.equal(state.heard, sum([...numbers(parsed(records)).values()]))
    },
})

/** In bytes instead of time. */
const heap = (peer, { records }) => ({
    prepare: async () => {
        global.gc()
        return { units: records.length }
    },
    run: async (state) => {
        const used = () => {
            global.gc()
            const { heapUsed, external } = process.memoryUsage()
            return heapUsed + external
        }
        const before = used()
        state.device = await filled(peer, records)
        // What is put off until later may hold memory until then.
        await pause(100)
        state.bytes = used() - before
    },
    check: async ({ device }) => same(await device.numbers(), numbers(parsed(records))),
})

export const rows = {
    'put all': putAll,
    'put, one call each': putEach,
    get,
    'by tag, a record found': byTag,
    'push all': pushAll,
    'first pull': firstPull,
    'conflict pass': conflictPass,
    'sync of 1 % changed on each side, a change': incremental,
    'put, until a listener has heard': notification,
    'heap, bytes a record': heap,
}
