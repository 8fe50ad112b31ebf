-- Routing: the health of channels as all nodes share it, their alerts, experiments; and what the vendors' limits leave.

CREATE SCHEMA routing;

-- The machine's judgement of each channel (key 0) and of each key of one that has several; folded by projections/routing.py.
CREATE TABLE routing.channel_health (
    channel_id text NOT NULL,
    key integer NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    version bigint NOT NULL,
    position bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (channel_id, key, tenant_id, generation)
);

-- What nodes have missed since they last looked.
CREATE INDEX channel_health_since ON routing.channel_health (tenant_id, generation, position);

-- Where in the log the changes and probes of a channel stand.
CREATE TABLE routing.channel_timeline (
    channel_id text NOT NULL,
    position bigint NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    kind text NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (channel_id, position, tenant_id, generation)
);

-- One row for each time that an alert was raised.
CREATE TABLE routing.alert (
    position bigint NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    event_id text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    title text NOT NULL,
    severity text NOT NULL,
    raised_at timestamptz NOT NULL,
    resolved_at timestamptz,
    resolved_position bigint,
    resolved_title text,
    PRIMARY KEY (position, tenant_id, generation)
);

CREATE INDEX alert_open ON routing.alert (kind, subject, tenant_id, generation) WHERE resolved_at IS NULL;

-- How the requests of each arm of an experiment went, by day (UTC).
CREATE TABLE routing.experiment (
    policy_id text NOT NULL,
    arm text NOT NULL,
    day date NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    requests bigint NOT NULL,
    completed bigint NOT NULL,
    attempts bigint NOT NULL,
    latency_milliseconds bigint NOT NULL,
    latency_milliseconds_max bigint NOT NULL,
    first_byte_milliseconds bigint NOT NULL,
    first_bytes bigint NOT NULL,
    tokens bigint NOT NULL,
    charged_nanos numeric NOT NULL,
    cost_nanos numeric NOT NULL,
    PRIMARY KEY (policy_id, arm, day, tenant_id, generation)
) WITH (fillfactor = 70);

-- What of a channel's requests and tokens per minute has been handed out to nodes. The platform's: no tenant owns a row.
CREATE UNLOGGED TABLE routing.channel_window (
    channel_id text NOT NULL,
    kind text NOT NULL,
    minute bigint NOT NULL,
    taken bigint NOT NULL,
    PRIMARY KEY (channel_id, kind, minute)
) WITH (fillfactor = 50);

CREATE INDEX channel_window_age ON routing.channel_window (minute);

-- Which nodes may have how many requests in flight on a channel. A node that dies gives back its slots by silence.
CREATE UNLOGGED TABLE routing.channel_slots (
    channel_id text NOT NULL,
    node text NOT NULL,
    slots bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (channel_id, node)
) WITH (fillfactor = 50);

-- Hand out part of a window: as much of what is wanted as is left of the limit.
CREATE FUNCTION routing.take_window(p_channel text, p_kind text, p_minute bigint, p_limit bigint, p_want bigint)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_taken bigint;
    v_given bigint;
BEGIN
    INSERT INTO routing.channel_window (channel_id, kind, minute, taken) VALUES (p_channel, p_kind, p_minute, 0)
    ON CONFLICT DO NOTHING;
    SELECT w.taken INTO v_taken FROM routing.channel_window AS w
    WHERE w.channel_id = p_channel AND w.kind = p_kind AND w.minute = p_minute FOR UPDATE;
    v_given := greatest(0, least(p_want, p_limit - v_taken));
    IF v_given > 0 THEN
        UPDATE routing.channel_window AS w SET taken = v_taken + v_given
        WHERE w.channel_id = p_channel AND w.kind = p_kind AND w.minute = p_minute;
    END IF;
    RETURN v_given;
END
$$;

-- Give a node as many slots as it wants in all, if the other nodes leave so many, and renew them.
CREATE FUNCTION routing.take_slots(p_channel text, p_node text, p_limit bigint, p_want bigint, p_seconds double precision)
RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_given bigint;
BEGIN
    -- Two nodes that ask at the same time must see one another's rows.
    PERFORM pg_advisory_xact_lock(7424360, hashtext(p_channel));
    SELECT greatest(0, least(p_want, p_limit - coalesce(sum(s.slots), 0))) INTO v_given
    FROM routing.channel_slots AS s
    WHERE s.channel_id = p_channel AND s.node <> p_node AND s.expires_at > clock_timestamp();
    INSERT INTO routing.channel_slots (channel_id, node, slots, expires_at)
    VALUES (p_channel, p_node, v_given, clock_timestamp() + make_interval(secs => p_seconds))
    ON CONFLICT (channel_id, node) DO UPDATE SET slots = excluded.slots, expires_at = excluded.expires_at;
    RETURN v_given;
END
$$;

-- Which alerts have been told to whom: not a part of the read model, for a rebuild must tell nobody anything.
CREATE TABLE routing.alert_told (
    position bigint NOT NULL,
    sink text NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now(),
    error text NOT NULL DEFAULT '',
    PRIMARY KEY (position, sink)
);
