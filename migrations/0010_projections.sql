-- Projections: which generation of each is live, how far each lane is folded into it, and their tables.
-- projections/README.md tells how a generation is filled and flipped.

CREATE SCHEMA projection;

-- A name has one live generation, which all reads go to, and while it is being rebuilt one that is filling.
CREATE TABLE projection.generation (
    name text NOT NULL,
    generation integer NOT NULL,
    version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('live', 'filling', 'retired')),
    PRIMARY KEY (name, generation)
);

CREATE UNIQUE INDEX generation_live ON projection.generation (name) WHERE state = 'live';

CREATE UNIQUE INDEX generation_filling ON projection.generation (name) WHERE state = 'filling';

-- Moves in the transaction that moves the rows. An error parks the lane after `position`; the other lanes go on.
CREATE TABLE projection.checkpoint (
    name text NOT NULL,
    generation integer NOT NULL,
    tenant_id bigint NOT NULL,
    lane bigint NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    error text,
    PRIMARY KEY (lane, name, generation, tenant_id)
) WITH (fillfactor = 50);

CREATE INDEX checkpoint_parked ON projection.checkpoint (name, generation) WHERE error IS NOT NULL;

-- What each tenant, user and token was given and has spent: folded by projections/balances.py.
CREATE TABLE projection.balances (
    owner_id text NOT NULL,
    owner text NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    granted_nanos numeric NOT NULL,
    captured_nanos numeric NOT NULL,
    overrun_nanos numeric NOT NULL,
    allowance_nanos numeric NOT NULL,
    adjusted_nanos numeric NOT NULL,
    lapsed_nanos numeric NOT NULL,
    requests bigint NOT NULL,
    voids bigint NOT NULL,
    tokens bigint NOT NULL,
    PRIMARY KEY (owner_id, owner, tenant_id, generation)
) WITH (fillfactor = 70);

CREATE INDEX balances_of_tenant ON projection.balances (tenant_id, owner);

-- What was used, by the hour in which it was recorded (UTC): folded by projections/usage_hourly.py.
CREATE TABLE projection.usage_hourly (
    hour timestamptz NOT NULL,
    token_id text NOT NULL,
    user_id text NOT NULL,
    model_asked text NOT NULL,
    model_billed text NOT NULL,
    channel_id text NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    requests bigint NOT NULL,
    voids bigint NOT NULL,
    expired bigint NOT NULL,
    refusals bigint NOT NULL,
    failed_attempts bigint NOT NULL,
    adjustments bigint NOT NULL,
    input_tokens bigint NOT NULL,
    cached_input_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    audio_input_tokens bigint NOT NULL,
    image_input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    audio_output_tokens bigint NOT NULL,
    image_output_tokens bigint NOT NULL,
    images bigint NOT NULL,
    milliseconds bigint NOT NULL,
    characters bigint NOT NULL,
    captured_nanos numeric NOT NULL,
    allowance_nanos numeric NOT NULL,
    cost_nanos numeric NOT NULL,
    PRIMARY KEY (hour, token_id, user_id, model_asked, model_billed, channel_id, tenant_id, generation)
) WITH (fillfactor = 70);

CREATE INDEX usage_hourly_of_tenant ON projection.usage_hourly (tenant_id, hour);

-- The multiplier matrix as it is and as it was, by record time: folded by projections/multipliers.py.
CREATE TABLE projection.multipliers (
    multiplier_id text NOT NULL,
    position bigint NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    user_group text NOT NULL,
    channel_group text NOT NULL,
    value numeric NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    actor text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (multiplier_id, position, tenant_id, generation)
);

CREATE INDEX multipliers_of_groups ON projection.multipliers (user_group, channel_group, valid_from);
