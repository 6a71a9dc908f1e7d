-- SPDX-License-Identifier: MIT
-- The recipe of docs/backends.md, run by psql as the page says; tests.pages.backends compares the two.
\set ON_ERROR_STOP on
\set QUIET on
\pset tuples_only on
\pset format unaligned
\set VERBOSITY terse

CREATE EXTENSION dblink;  -- for a second session
SET statement_timeout = '30s';

CREATE FUNCTION pg_temp.expect(claim text, holds boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF holds THEN RETURN claim; END IF;
    RAISE 'It does not hold that %', claim;
END $$;

CREATE FUNCTION pg_temp.plan_of(command text) RETURNS json LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) ' || command INTO plan;
    RETURN plan;
END $$;

CREATE TABLE records (
    id         text COLLATE "C" PRIMARY KEY,
    revision   bigint NOT NULL,        -- one more with each write
    operation  text NOT NULL,          -- of the push that wrote this state
    deleted    boolean NOT NULL,       -- a tombstone is a row too
    data       jsonb NOT NULL,
    tags       jsonb NOT NULL,
    version    numeric(20) NOT NULL,   -- as sent: 64 bits without a sign
    updated_at timestamptz NOT NULL,   -- as sent: microseconds
    written_in xid8 NOT NULL           -- the transaction that wrote this state
);
CREATE INDEX ON records (written_in, id);

CREATE TABLE place (name uuid NOT NULL DEFAULT gen_random_uuid());  -- one row: this database
INSERT INTO place DEFAULT VALUES;

PREPARE push AS
INSERT INTO records AS held
VALUES ($1, $2 + 1, $3, $4, $5, $6, $7, $8, pg_current_xact_id())
ON CONFLICT (id) DO UPDATE
    SET revision = held.revision + 1, operation = $3, deleted = $4, data = $5, tags = $6,
        version = $7, updated_at = $8, written_in = pg_current_xact_id()
    WHERE held.revision = $2
RETURNING revision;

PREPARE read AS
SELECT * FROM records WHERE id = $1;

PREPARE pull AS
SELECT * FROM records
WHERE (written_in, id) > ($1, $2)
  AND written_in < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY written_in, id
LIMIT $3;

-- Push

EXECUTE push('oak', 0, 'ada-1', false, '{"height_m": 12}', '["tree"]', 18446744073709551615,
             '2026-11-26T10:23:22.418207Z') \gset
SELECT pg_temp.expect('a creation is accepted with revision 1', :revision = 1);
EXECUTE read('oak') \gset
SELECT pg_temp.expect('version and time are kept as sent',
    :version = 18446744073709551615 AND :'updated_at'::timestamptz = '2026-11-26T10:23:22.418207Z');

EXECUTE push('oak', 1, 'ada-2', false, '{"height_m": 13}', '[]', 2, '2026-11-26T11:00Z') \gset
SELECT pg_temp.expect('an edit of the revision that is there is accepted with the next', :revision = 2);

EXECUTE push('oak', 1, 'ada-2', false, '{"height_m": 13}', '[]', 2, '2026-11-26T11:00Z');
SELECT pg_temp.expect('the same once more writes nothing', :ROW_COUNT = 0);
EXECUTE read('oak') \gset
SELECT pg_temp.expect('and finds its own operation: accepted', :'operation' = 'ada-2' AND :revision = 2);

EXECUTE push('oak', 1, 'ben-1', false, '{"height_m": 99}', '[]', 2, '2026-11-26T12:00Z');
SELECT pg_temp.expect('an edit of an older revision writes nothing', :ROW_COUNT = 0);
EXECUTE read('oak') \gset
SELECT pg_temp.expect('and finds the operation and the state of another: conflict',
    :'operation' = 'ada-2' AND :'data'::jsonb = '{"height_m": 13}');

EXECUTE push('oak', 2, 'ben-2', true, 'null', '[]', 3, '2026-11-26T13:00Z') \gset
SELECT pg_temp.expect('a deletion is accepted', :revision = 3);
EXECUTE read('oak') \gset
SELECT pg_temp.expect('and leaves the row', :'deleted'::boolean);
EXECUTE push('oak', 0, 'ada-3', false, '{}', '[]', 1, '2026-11-26T14:00Z');
SELECT pg_temp.expect('a creation over a tombstone that it does not know writes nothing', :ROW_COUNT = 0);
EXECUTE push('oak', 3, 'ada-4', false, '{}', '[]', 4, '2026-11-26T14:00Z') \gset
SELECT pg_temp.expect('one that knows it is accepted', :revision = 4);

BEGIN;
SAVEPOINT change;
\set ON_ERROR_STOP off
\echo The next error is meant to be:
EXECUTE push('NUL', 0, 'ada-5', false, '"\u0000"', '[]', 1, '2026-11-26T15:00Z');
\set ON_ERROR_STOP on
\set refusal :LAST_ERROR_SQLSTATE
ROLLBACK TO change;
SAVEPOINT change;
EXECUTE push('ash', 0, 'ada-6', false, '{}', '[]', 1, '2026-11-26T15:00Z') \gset
COMMIT;
SELECT pg_temp.expect('jsonb takes no NUL', :'refusal' = '22P05');
SELECT pg_temp.expect('and the others of its batch pass',
    (SELECT array_agg(id ORDER BY id) FROM records) = '{ash,oak}');

-- A second session, with the same statements.
SELECT dblink_connect('other', format('host=%s dbname=%s user=%s', :'HOST', :'DBNAME', :'USER')) AS connected \gset
SELECT dblink_exec('other', statement) FROM pg_prepared_statements WHERE name = 'push' \g /dev/null

BEGIN;
EXECUTE push('ash', 1, 'ada-7', false, '{}', '[]', 2, '2026-11-26T16:00Z') \gset
SELECT dblink_send_query('other',
    $$EXECUTE push('ash', 1, 'ben-3', false, '{}', '[]', 2, '2026-11-26T16:00Z')$$) AS sent \gset
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP PERFORM pg_sleep(0.01); END LOOP;
END $$;
SELECT pg_temp.expect('a second writer waits', dblink_is_busy('other') = 1);
COMMIT;
SELECT pg_temp.expect('and then finds another revision',
    (SELECT count(*) FROM dblink_get_result('other') AS written(revision bigint)) = 0);
SELECT count(*) AS rest FROM dblink_get_result('other') AS written(revision bigint) \gset

-- The feed

CREATE TEMP TABLE page AS EXECUTE pull('0', '', 10);
SELECT pg_temp.expect('a first pull has every row, in the order of writes',
    (SELECT array_agg(id) FROM page) = '{oak,ash}');
DROP TABLE page;

CREATE TEMP TABLE page AS EXECUTE pull('0', '', 1);
SELECT pg_temp.expect('a page has as many rows as were asked for',
    (SELECT array_agg(id) FROM page) = '{oak}');
SELECT written_in, id FROM page \gset
DROP TABLE page;
CREATE TEMP TABLE page AS EXECUTE pull(:'written_in', :'id', 1);
SELECT pg_temp.expect('the next one goes on behind its last row',
    (SELECT array_agg(id) FROM page) = '{ash}');
SELECT written_in, id FROM page \gset
DROP TABLE page;
CREATE TEMP TABLE page AS EXECUTE pull(:'written_in', :'id', 1);
SELECT pg_temp.expect('until there is none', NOT EXISTS (SELECT FROM page));
DROP TABLE page;

-- The five steps: A is the other session, and B is this one.
SELECT dblink_exec('other', 'BEGIN') AS begun \gset
SELECT revision FROM dblink('other',
    $$EXECUTE push('a', 0, 'a-1', false, '{}', '[]', 1, '2026-11-26T17:00Z')$$)
    AS written(revision bigint) \gset
EXECUTE push('b', 0, 'b-1', false, '{}', '[]', 1, '2026-11-26T17:00Z') \gset
CREATE TEMP TABLE page AS EXECUTE pull(:'written_in', :'id', 10);
SELECT pg_temp.expect('the pull of step 3 shows neither row', NOT EXISTS (SELECT FROM page));
DROP TABLE page;
SELECT dblink_exec('other', 'COMMIT') AS committed \gset
CREATE TEMP TABLE page AS EXECUTE pull(:'written_in', :'id', 10);
SELECT pg_temp.expect('and the one of step 5 both', (SELECT array_agg(id) FROM page) = '{a,b}');
DROP TABLE page;

SET enable_seqscan = off;  -- which is better for four rows
SET enable_sort = off;
SELECT pg_temp.plan_of($$EXECUTE pull('0', '', 10)$$) AS plan \gset
SELECT pg_temp.expect('an index serves it', :'plan' LIKE '%Index Cond%' AND :'plan' NOT LIKE '%Sort%');

-- After a restore
SELECT name FROM place \gset
UPDATE records SET written_in = pg_current_xact_id(); UPDATE place SET name = gen_random_uuid();
CREATE TEMP TABLE page AS EXECUTE pull('0', '', 10);
SELECT pg_temp.expect('after a restore all is read again',
    (SELECT array_agg(id) FROM page) = '{a,ash,b,oak}');
SELECT pg_temp.expect('because the place is another', (SELECT name FROM place) <> :'name');
