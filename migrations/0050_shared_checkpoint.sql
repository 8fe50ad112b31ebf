-- One checkpoint for all live projections of a lane: together they are folded from one read of the log, and one row moves.
--
-- A live generation without a row of its own in projection.checkpoint is where its lane's row here says. A row of its own is
-- the exception: parked, behind (a new projection, or one that was parked), or ahead (folded for a reader who could not
-- wait). The row here is also the lane's lock: whoever changes a live generation's checkpoint on the lane holds it.
-- Generations that are being filled have rows of their own only.
CREATE TABLE projection.shared_checkpoint (
    tenant_id bigint NOT NULL,
    lane bigint NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (lane, tenant_id)
) WITH (fillfactor = 50);

CREATE INDEX checkpoint_of_generation ON projection.checkpoint (name, generation);

-- Since when a lane stands still.
ALTER TABLE projection.checkpoint ADD COLUMN parked_at timestamptz;

-- How far each lane is folded into each generation.
CREATE VIEW projection.position AS
SELECT g.name, g.generation, s.tenant_id, s.lane, coalesce(c.position, s.position) AS position, c.error, c.parked_at
FROM projection.generation AS g
CROSS JOIN projection.shared_checkpoint AS s
LEFT JOIN projection.checkpoint AS c
    ON c.lane = s.lane AND c.name = g.name AND c.generation = g.generation AND c.tenant_id = s.tenant_id
WHERE g.state = 'live'
UNION ALL
SELECT c.name, c.generation, c.tenant_id, c.lane, c.position, c.error, c.parked_at
FROM projection.checkpoint AS c
WHERE NOT EXISTS (
    SELECT FROM projection.generation AS g, projection.shared_checkpoint AS s
    WHERE g.name = c.name AND g.generation = c.generation AND g.state = 'live' AND s.lane = c.lane
        AND s.tenant_id = c.tenant_id
);

-- Which process folds: one of all that run the same set of projections. It says so again every second.
CREATE TABLE projection.lease (
    projections text NOT NULL PRIMARY KEY,
    holder text NOT NULL,
    until timestamptz NOT NULL
);
