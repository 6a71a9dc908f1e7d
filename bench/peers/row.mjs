// SPDX-License-Identifier: MIT
// One row of one peer, in a process of its own:
//
//     node --expose-gc row.mjs PEER ROW FOLDER
//
// FOLDER holds the workload. Prints {"digests", "each"}: microseconds, or bytes, a unit of work.
import { webcrypto } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { rows } from './rows.mjs'
import { readWorkload } from './workload.mjs'

const runs = 5
const [name, row, folder] = process.argv.slice(2)
// Node 18 has no global one yet.
globalThis.crypto ??= webcrypto
const { peer } = await import(`./${name}.mjs`)
const workload = readWorkload(folder)
const { prepare, run, check } = rows[row](peer, workload)

const each = []
for (let round = 0; round <= runs; ++round) {
    const state = await prepare(round)
    const begin = performance.now()
    const answer = await run(state)
    const microseconds = 1000 * (performance.now() - begin)
    await check(state, answer)
    await state.device?.close()
    // The first run warms up.
    if (round > 0) each.push((state.bytes ?? microseconds) / state.units)
}
each.sort((a, b) => a - b)
console.log(JSON.stringify({ digests: workload.digests, each: each[(runs - 1) / 2] }))
// Timers of a peer must not keep the process.
process.exit(0)
