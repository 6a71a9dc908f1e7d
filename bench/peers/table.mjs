// SPDX-License-Identifier: MIT
// The table of our rows and the peers':
//
//     node table.mjs PROGRAM FOLDER [RECORDS [SECONDS]]
//
// PROGRAM is ours.cpp, built. FOLDER is for the workload of RECORDS (10000) notes. A row of a peer that takes
// longer than SECONDS (120), with what it prepares, is given up. Every row has a process of its own, so that none
// can spoil another, and ours comes just before theirs.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rows } from './rows.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const [program, folder, records = '10000', seconds = '120'] = process.argv.slice(2)

const packages = {
    pouchdb: 'pouchdb',
    rxdb: 'rxdb',
    tinybase: 'tinybase',
    watermelondb: '@nozbe/watermelondb',
}
const { dependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))

const rounded = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)

const timeout = 1000 * Number(seconds)

const run = (command, ...options) =>
    spawnSync(command, options, {
        encoding: 'utf8',
        env: { ...process.env, NODE_ENV: 'production' },
        killSignal: 'SIGKILL',
        stdio: ['ignore', 'pipe', 'inherit'],
        timeout,
    })

/** Both print {"digests", "each"}. */
const measureOurs = (row) => {
    const { status, stdout } = run(program, folder, records, row)
    if (status !== 0) throw new Error(`our own row failed: ${row}`)
    return JSON.parse(stdout)
}

/** What a unit of work took the peer, or the words for why that is not known. */
const measurePeer = (peer, row, digests) => {
    process.stderr.write(`${peer}: ${row}\n`)
    const options = ['--expose-gc', '--max-old-space-size=8192']
    const script = join(here, 'row.mjs')
    const { error, status, stdout } = run(process.execPath, ...options, script, peer, row, folder)
    if (error?.code === 'ETIMEDOUT') return `> ${seconds} s`
    if (status !== 0) {
        process.exitCode = 1
        return 'failed'
    }
    const answer = JSON.parse(stdout.trimEnd().split('\n').at(-1))
    assert.deepEqual(answer.digests, digests, `${peer} has read another workload than ours`)
    return answer.each
}

const cell = (value, ours) => {
    if (typeof value === 'string') return value
    const ratio = value / ours
    return `${rounded(value)} (${ratio.toFixed(ratio < 10 ? 1 : 0)} x)`
}

mkdirSync(folder, { recursive: true })
const table = [
    [
        `${records} records; us`,
        'ours',
        ...Object.entries(packages).map(([peer, name]) => `${peer} ${dependencies[name]}`),
    ],
]
for (const row of Object.keys(rows)) {
    const { digests, each } = measureOurs(row)
    const cells = Object.keys(packages).map((peer) => cell(measurePeer(peer, row, digests), each))
    table.push([row, rounded(each), ...cells])
}

const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)))
const printed = (line) => `| ${line.map((text, n) => text.padEnd(widths[n])).join(' | ')} |`
const [head, ...body] = table.map(printed)
console.log([head, `|${'---|'.repeat(widths.length)}`, ...body].join('\n'))
