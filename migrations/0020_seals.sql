-- Sealed history: blocks of lanes, the signed seals that close them, and how far both are published.
-- docs/proof.md tells what they prove. Nothing here is written by a request, and no request waits for it.

CREATE SCHEMA proof;

-- A stretch of a lane, closed for ever. `leaves` has the hash of each of its events, so that one that was changed can be
-- named; `seal` and `place` say which signature covers it.
CREATE TABLE proof.block (
    lane bigint NOT NULL,
    number bigint NOT NULL,
    tenant_id bigint NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    root bytea NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    seal bigint NOT NULL,
    place integer NOT NULL,
    leaves bytea NOT NULL,
    PRIMARY KEY (lane, number, tenant_id),
    UNIQUE (lane, last_position, tenant_id)
);

-- Hashes do not compress.
ALTER TABLE proof.block ALTER COLUMN leaves SET STORAGE EXTERNAL;

CREATE INDEX block_seal ON proof.block (seal, place, tenant_id);

-- The platform's own chain: each seal signs the blocks that were closed together, of whatever tenants.
CREATE TABLE proof.seal (
    number bigint NOT NULL,
    tenant_id bigint NOT NULL,
    blocks integer NOT NULL,
    events bigint NOT NULL,
    sealed_at timestamptz NOT NULL,
    root bytea NOT NULL,
    previous bytea NOT NULL,
    key_id text NOT NULL,
    hash bytea NOT NULL,
    signature bytea NOT NULL,
    entries bytea NOT NULL,
    PRIMARY KEY (number, tenant_id)
);

ALTER TABLE proof.seal ALTER COLUMN entries SET STORAGE EXTERNAL;

-- The public halves of the keys that have signed. They say who signed, not whom to trust: that is the key file's to say.
CREATE TABLE proof.public_key (
    key_id text NOT NULL,
    tenant_id bigint NOT NULL,
    public_key bytea NOT NULL,
    added_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, tenant_id)
);

-- How far each lane is sealed: only so that finding the lanes that moved costs one look. The blocks decide.
CREATE TABLE proof.tip (
    lane bigint NOT NULL,
    tenant_id bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (lane, tenant_id)
) WITH (fillfactor = 50);

-- How far the heads have been delivered to a webhook.
CREATE TABLE proof.publication (
    target text NOT NULL,
    tenant_id bigint NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (target, tenant_id)
) WITH (fillfactor = 50);

CREATE FUNCTION proof.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER block_append_only BEFORE UPDATE OR DELETE ON proof.block
FOR EACH ROW EXECUTE FUNCTION proof.refuse_change();

CREATE TRIGGER seal_append_only BEFORE UPDATE OR DELETE ON proof.seal
FOR EACH ROW EXECUTE FUNCTION proof.refuse_change();

CREATE TRIGGER public_key_append_only BEFORE UPDATE OR DELETE ON proof.public_key
FOR EACH ROW EXECUTE FUNCTION proof.refuse_change();
