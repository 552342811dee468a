-- A season's public record. Money and quantities are numeric and exact; what was written as JSON stands
-- beside its columns as it was written.

CREATE TABLE conclave.seasons (
    id text PRIMARY KEY,
    name text NOT NULL,
    market text NOT NULL,
    spec_hash text NOT NULL,
    data_hash text NOT NULL,
    first_tick timestamptz NOT NULL,
    ticks integer NOT NULL,
    version text NOT NULL,
    document json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE conclave.contestants (
    season text NOT NULL REFERENCES conclave.seasons (id),
    name text NOT NULL,
    cash numeric NOT NULL,
    document json NOT NULL,
    PRIMARY KEY (season, name)
);

CREATE TABLE conclave.ticks (
    season text NOT NULL REFERENCES conclave.seasons (id),
    number integer NOT NULL,
    at timestamptz NOT NULL,
    snapshot text NOT NULL,
    benchmark numeric NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (season, number)
);

CREATE TABLE conclave.model_chats (
    season text NOT NULL,
    tick integer NOT NULL,
    contestant text NOT NULL,
    ticker text NOT NULL,
    at timestamptz NOT NULL,
    outcome text NOT NULL,
    rating text,
    confidence double precision,
    reasoning text NOT NULL,
    document json NOT NULL,
    PRIMARY KEY (season, tick, contestant, ticker),
    FOREIGN KEY (season, tick) REFERENCES conclave.ticks (season, number)
);

CREATE TABLE conclave.aggregates (
    season text NOT NULL,
    tick integer NOT NULL,
    ticker text NOT NULL,
    at timestamptz NOT NULL,
    majority_decision text,
    consensus_level double precision,
    high_consensus boolean NOT NULL,
    average_confidence double precision,
    document json NOT NULL,
    PRIMARY KEY (season, tick, ticker),
    FOREIGN KEY (season, tick) REFERENCES conclave.ticks (season, number)
);

CREATE TABLE conclave.trades (
    season text NOT NULL,
    tick integer NOT NULL,
    contestant text NOT NULL,
    intent text NOT NULL,
    wished_at_tick integer NOT NULL,
    at timestamptz NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    wanted numeric NOT NULL,
    filled numeric NOT NULL,
    price numeric,
    fee numeric NOT NULL,
    success boolean NOT NULL,
    reason text,
    PRIMARY KEY (season, contestant, intent),
    FOREIGN KEY (season, tick) REFERENCES conclave.ticks (season, number)
);

CREATE TABLE conclave.equity (
    season text NOT NULL,
    tick integer NOT NULL,
    contestant text NOT NULL,
    at timestamptz NOT NULL,
    value numeric NOT NULL,
    PRIMARY KEY (season, tick, contestant),
    FOREIGN KEY (season, tick) REFERENCES conclave.ticks (season, number)
);

CREATE TABLE conclave.board (
    season text PRIMARY KEY REFERENCES conclave.seasons (id),
    tick integer NOT NULL,
    document json NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- The board's rows for whoever reads by SQL; it sees what its reader may see.
CREATE VIEW conclave.leaderboard WITH (security_invoker = true) AS
SELECT
    board.season,
    board.tick,
    (entry ->> 'rank')::integer AS rank,
    entry ->> 'name' AS contestant,
    entry ->> 'kind' AS kind,
    (entry ->> 'portfolio_value')::numeric AS portfolio_value,
    (entry ->> 'cash')::numeric AS cash,
    (entry ->> 'gross')::numeric AS gross,
    (entry ->> 'fees')::numeric AS fees,
    (entry ->> 'net')::numeric AS net,
    (entry ->> 'trades')::bigint AS trades,
    entry ->> 'excluded' AS excluded
FROM conclave.board, json_array_elements(board.document -> 'rows') AS entry;

-- Nobody but the owner sees a row until a policy says so: ops/postgres/roles.sql has them.
ALTER TABLE conclave.migrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE conclave.seasons ENABLE ROW LEVEL SECURITY;
ALTER TABLE conclave.contestants ENABLE ROW LEVEL SECURITY;
ALTER TABLE conclave.ticks ENABLE ROW LEVEL SECURITY;
ALTER TABLE conclave.model_chats ENABLE ROW LEVEL SECURITY;
ALTER TABLE conclave.aggregates ENABLE ROW LEVEL SECURITY;
ALTER TABLE conclave.trades ENABLE ROW LEVEL SECURITY;
ALTER TABLE conclave.equity ENABLE ROW LEVEL SECURITY;
ALTER TABLE conclave.board ENABLE ROW LEVEL SECURITY;
