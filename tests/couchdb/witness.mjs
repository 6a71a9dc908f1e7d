// SPDX-License-Identifier: MIT
// A client that is none of ours: PouchDB on LevelDB.
//
//     node witness.mjs URL FOLDER TASKS.json ANSWER.json
//
// TASKS is a list of {"put": {id: members}}, {"remove": [id]} and {"sync": true}, done in order; the
// database in FOLDER stays. ANSWER: {"documents": {id: data}, "conflicts": how many leaves lose}.
// SYNC_POUCH_MODULES is the folder where pouchdb is installed.
import { createRequire } from 'node:module'
import { readFileSync, writeFileSync } from 'node:fs'

const PouchDB = createRequire(process.env.SYNC_POUCH_MODULES + '/')('pouchdb')
const [url, folder, tasks, answer] = process.argv.slice(2)
const database = new PouchDB(folder)

const known = async (id) => {
  try {
    return await database.get(id)
  } catch (error) {
    if (error.status === 404) return { _id: id }
    throw error
  }
}

for (const task of JSON.parse(readFileSync(tasks, 'utf8'))) {
  for (const [id, members] of Object.entries(task.put ?? {})) {
    await database.put({ ...(await known(id)), ...members })
  }
  for (const id of task.remove ?? []) await database.remove(await known(id))
  if (task.sync) {
    const { push, pull } = await database.sync(url)
    const errors = [...push.errors, ...pull.errors]
    if (!push.ok || !pull.ok || errors.length > 0) throw new Error(JSON.stringify({ push, pull }))
  }
}

const { rows } = await database.allDocs({ include_docs: true, conflicts: true })
const documents = {}
let conflicts = 0
for (const { id, doc } of rows) {
  conflicts += (doc._conflicts ?? []).length
  const { _id, _rev, _conflicts, sync_engine, ...members } = doc
  documents[id] = sync_engine?.data !== undefined ? sync_engine.data : members
}
writeFileSync(answer, JSON.stringify({ documents, conflicts }))
await database.close()
