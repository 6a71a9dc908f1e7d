// SPDX-License-Identifier: MIT
// The workload as our own program wrote it: the same bytes for everybody.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** FNV-1a, as in ours.cpp. */
const digest = (bytes) => {
    let hash = 0x811c9dc5
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
    return hash
}

/** The lines of one file, each a record; `digest` is of its bytes. */
const read = (folder, name) => {
    const bytes = readFileSync(join(folder, `${name}.jsonl`))
    return { digest: digest(bytes), lines: bytes.toString().trimEnd().split('\n') }
}

/** The records parsed anew, so that a peer may keep or change them. */
export const parsed = (lines) => lines.map((line) => JSON.parse(line))

/** What each record's data has at `n`, by id: the content by which results are compared. */
export const numbers = (records) => new Map(records.map(({ id, data }) => [id, data.n]))

/** The records, and what each became when it was edited here (`mine`) and elsewhere (`theirs`). */
export const readWorkload = (folder) => {
    const [records, mine, theirs] = ['records', 'mine', 'theirs'].map((name) => read(folder, name))
    return {
        digests: [records.digest, mine.digest, theirs.digest],
        records: records.lines,
        mine: mine.lines,
        theirs: theirs.lines,
    }
}
