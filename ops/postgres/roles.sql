-- Least privilege for the arena's record, once the first `conclave arena export --to postgres` has made the
-- schema as its owner: run this as that owner, then give each login one of the two roles, such as
--   CREATE ROLE arena_export LOGIN PASSWORD '…' IN ROLE conclave_writer;
-- A writer adds ticks and replaces the board. It changes and deletes nothing else and makes no table.
-- A reader reads. On Supabase, give `conclave_reader` to `anon` only for a record that everybody may read.

CREATE ROLE conclave_writer NOLOGIN;
CREATE ROLE conclave_reader NOLOGIN;

GRANT USAGE ON SCHEMA conclave TO conclave_writer, conclave_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA conclave TO conclave_writer, conclave_reader;
GRANT INSERT ON conclave.seasons, conclave.contestants, conclave.ticks, conclave.model_chats,
    conclave.aggregates, conclave.trades, conclave.equity, conclave.board TO conclave_writer;
GRANT UPDATE (tick, document, updated_at) ON conclave.board TO conclave_writer;

DO $$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY['seasons', 'contestants', 'ticks', 'model_chats', 'aggregates', 'trades',
        'equity', 'board'] LOOP
        EXECUTE format('CREATE POLICY everybody_reads ON conclave.%I FOR SELECT TO conclave_writer, conclave_reader USING (true)', named);
        EXECUTE format('CREATE POLICY the_writer_adds ON conclave.%I FOR INSERT TO conclave_writer WITH CHECK (true)', named);
    END LOOP;
END
$$;
CREATE POLICY everybody_reads ON conclave.migrations FOR SELECT TO conclave_writer, conclave_reader USING (true);
CREATE POLICY the_writer_replaces ON conclave.board FOR UPDATE TO conclave_writer USING (true) WITH CHECK (true);
