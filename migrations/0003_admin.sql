-- What people administer: the read model of its events, and the secrets that are in no event.

CREATE SCHEMA admin;

-- The present state of every administered thing; folded by projections/entities.py.
CREATE TABLE admin.entity (
    entity_id text NOT NULL,
    kind text NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    name text NOT NULL,
    owner text NOT NULL,
    archived boolean NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (entity_id, kind, tenant_id, generation)
);

-- Lists of a tenant, and of the operator over all tenants: read by key, never by offset.
CREATE INDEX entity_of_tenant ON admin.entity (tenant_id, kind, created_at, entity_id);

CREATE INDEX entity_of_kind ON admin.entity (kind, created_at, entity_id);

CREATE INDEX entity_of_owner ON admin.entity (owner, kind, tenant_id);

-- What a cache has missed since it last looked.
CREATE INDEX entity_since ON admin.entity (tenant_id, position);

-- The other names that things are found by: a token's hash, a login, a code's hash, the members of a tenant; and which of
-- the rows below hold a user's password and a channel's key.
CREATE TABLE admin.entity_key (
    key text NOT NULL,
    kind text NOT NULL,
    entity_id text NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    PRIMARY KEY (key, kind, entity_id, tenant_id, generation)
);

CREATE INDEX entity_key_owner ON admin.entity_key (entity_id, kind, tenant_id);

-- Where in the log each version of a thing stands.
CREATE TABLE admin.entity_change (
    entity_id text NOT NULL,
    kind text NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    event_id uuid NOT NULL,
    day date NOT NULL,
    PRIMARY KEY (entity_id, kind, version, tenant_id, generation)
);

-- How far a lane's configuration has come; caches poll this.
CREATE TABLE admin.config_position (
    tenant_id bigint NOT NULL,
    lane bigint NOT NULL,
    generation integer NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (lane, tenant_id, generation)
) WITH (fillfactor = 50);

-- Passwords, sessions, personal tokens and channel keys are the platform's: no tenant owns a row, so none names a tenant.
-- A hash counts only once the event of the same id stands in the log; see admin.entity_key, kind `password`.
CREATE TABLE admin.password (
    user_id uuid NOT NULL,
    event_id uuid NOT NULL,
    hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, event_id)
);

-- A vendor's key, encrypted by adapters/vault.py. It counts only once its event stands in the log; kind `channel_key`.
CREATE TABLE admin.channel_key (
    channel_id uuid NOT NULL,
    version bigint NOT NULL,
    event_id uuid NOT NULL,
    key_id text NOT NULL,
    nonce bytea NOT NULL,
    ciphertext bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel_id, version, event_id)
);

-- A person's session in the console. The cookie's value and the CSRF token are known by their SHA-256 only.
CREATE TABLE admin.session (
    session_hash text NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL,
    csrf_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    user_agent text NOT NULL DEFAULT '',
    address text NOT NULL DEFAULT ''
);

CREATE INDEX session_of_user ON admin.session (user_id);

CREATE INDEX session_expiry ON admin.session (expires_at);

-- A person's key for the REST API, known by its SHA-256 only.
CREATE TABLE admin.personal_token (
    token_hash text NOT NULL PRIMARY KEY,
    personal_token_id uuid NOT NULL UNIQUE,
    user_id uuid NOT NULL,
    name text NOT NULL,
    hint text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz,
    expires_at timestamptz
);

CREATE INDEX personal_token_user ON admin.personal_token (user_id, personal_token_id);

-- One event per idempotency key and scope: whoever comes second with the same body gets the first one's event id.
CREATE TABLE admin.idempotency (
    key text NOT NULL,
    scope text NOT NULL,
    tenant_id bigint NOT NULL,
    event_id uuid NOT NULL,
    body_hash bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    response bytea,
    PRIMARY KEY (key, scope, tenant_id)
);

CREATE INDEX idempotency_age ON admin.idempotency (created_at);
