-- `ledger.apply` again, the same in what it does: a call costs two thirds of what it did.
--
-- * Whether the log has an id already is looked up only where it matters: for a command that would be refused, and after
--   the log itself has refused a batch. A look at `ledger.event` takes a lock on every day's partition.
-- * A batch of one has statements of its own, without the arrays' tables.
-- * What the small numbers mean is said in comments, for PL/pgSQL evaluates every declared constant in every call.
--
-- The one write path of the log: apply a batch of commands to their lanes, in order, all accepted ones in one commit.
--
-- Commands come as parallel arrays (c_*, sorted by lane and tenant). The accounts that they name come once each (a_*); legs and
-- openings (l_*, o_*), flattened in the commands' order, point at them by number. domain/ledger/commands.py names every
-- code; domain/ledger/model.py is the same rules in Python, and a property test runs both against each other. The
-- function knows nothing of prices, models or groups.
--
-- It reads what the batch needs in a few statements, walks the commands on arrays alone, and writes set-wise, because an
-- account that is updated n times in one transaction drags n row versions along. No array that the walk subscripts holds
-- a NULL or a text: those are read from the front each time.
--
-- A lookup is a nested loop over an index, whatever the statistics say: they lag behind a table that was empty a minute
-- ago, and a plan that reads all of it would stay in the session's cache.
--
-- Generic plans, for otherwise each of the statements below is planned again in each call, which costs more than
-- running it. Citus cannot distribute INSERT ... SELECT with a generic plan: there, the migration that distributes the
-- function also resets this one setting.
--
-- p_known is for the function itself: whether ids that the log has already are looked up before anything is decided.

DROP FUNCTION ledger.apply(
    bigint[], bigint[], smallint[], uuid[], date[], bigint[], text[], text[], uuid[], uuid[], bytea[], uuid[], integer[],
    uuid[], boolean[], bigint[], bigint[], bigint[], bigint[], integer[], uuid[], bigint[], bigint[], integer[],
    smallint[], bigint[], bigint[], integer[], integer[], text[], smallint[], timestamptz[], timestamptz[], uuid[],
    boolean[], integer[]
);

-- Which of these events the log has, one by one: zeros where it does not.
CREATE FUNCTION ledger.find_known(
    c_event uuid[], c_tenant bigint[], c_day date[],
    OUT seen_any boolean, OUT seen_lane bigint[], OUT seen_position bigint[], OUT seen_digest bigint[],
    OUT seen_at timestamptz[]
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    day_lo date;
    day_hi date;
BEGIN
    SELECT min(u.d), max(u.d) INTO day_lo, day_hi FROM unnest(c_day) AS u (d);
    WITH e AS MATERIALIZED (
        SELECT s.event_id, s.tenant_id, s.day, s.lane, s.position, s.digest, s.recorded_at
        FROM ledger.event AS s
        WHERE s.event_id = ANY (c_event) AND s.tenant_id = ANY (c_tenant) AND s.day BETWEEN day_lo AND day_hi
    )
    SELECT count(e.position) > 0, array_agg(coalesce(e.lane, 0) ORDER BY c.ord),
        array_agg(coalesce(e.position, 0) ORDER BY c.ord), array_agg(coalesce(e.digest, 0) ORDER BY c.ord),
        array_agg(coalesce(e.recorded_at, '-infinity') ORDER BY c.ord)
    INTO seen_any, seen_lane, seen_position, seen_digest, seen_at
    FROM unnest(c_event, c_tenant, c_day) WITH ORDINALITY AS c (event_id, tenant_id, day, ord)
    LEFT JOIN e ON e.event_id = c.event_id AND e.tenant_id = c.tenant_id AND e.day = c.day;
END
$$;

CREATE FUNCTION ledger.apply(
    c_tenant bigint[], c_lane bigint[], c_kind smallint[], c_event uuid[], c_day date[], c_digest bigint[],
    c_type text[], c_actor text[], c_correlation uuid[], c_causation uuid[], c_data bytea[],
    c_hold uuid[], c_timeout integer[], c_pool uuid[], c_strict boolean[],
    c_money bigint[], c_requests bigint[], c_tokens bigint[], c_allowance bigint[],
    c_legs integer[],
    a_account uuid[], a_tenant bigint[], a_lane bigint[],
    l_account integer[], l_op smallint[], l_amount bigint[], l_floor bigint[],
    o_command integer[], o_account integer[], o_name text[], o_unit smallint[], o_expires timestamptz[],
    o_purge timestamptz[], o_pool uuid[], o_credit_line boolean[], o_priority integer[], p_known boolean DEFAULT false,
    OUT code smallint[], OUT leg integer[], OUT "position" bigint[], OUT recorded_at timestamptz[],
    OUT balance bigint[], OUT leg_left bigint[]
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    no_pool CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    amount_max CONSTANT bigint := 1000000000000000000;
    account_max CONSTANT bigint := 2000000000000000000;
    balance_max CONSTANT bigint := 4000000000000000000;

    n CONSTANT integer := cardinality(c_event);
    account_count CONSTANT integer := cardinality(a_account);
    opening_count CONSTANT integer := cardinality(o_account);
    v_now timestamptz;
    v_today date;

    lane_id bigint[];
    lane_tenant bigint[];
    lane_head bigint[];
    lane_at timestamptz[];
    lane_count integer;
    k integer := 1;

    -- Commands that the log has already; empty if it has none of them. Until somebody has looked, it may have any.
    looked boolean := p_known;
    seen_digest bigint[];
    seen_lane bigint[];
    seen_position bigint[];
    seen_at timestamptz[];
    seen_any boolean := false;

    -- Ids that stand more than once in this batch: the first command with the same event and with the same hold, and
    -- under its number, the command that was accepted for the event and what became of the hold.
    repeats boolean := false;
    first_event integer[];
    first_hold integer[];
    accepted_as integer[];
    hold_made boolean[];
    hold_gone boolean[];

    -- Open holds that terminals name, in the commands' order; their legs flattened in the same order.
    hold_count integer := 0;
    hold_command integer[];
    hold_deadline timestamptz[];
    hold_pool uuid[];
    hold_legs integer[];
    hold_from integer;
    hold_to integer := 0;
    h integer := 1;
    hl_account uuid[];
    hl_command integer[];
    hl_pooled boolean[];
    hl_amount bigint[];
    hl_taken bigint[];
    hl_ix integer[];

    -- The wallets in play: their members are a range of `member`, in the order in which they burn.
    pool_count integer := 0;
    pool_id uuid[];
    pool_lane bigint[];
    pool_tenant bigint[];
    pool_from integer[];
    pool_to integer[];
    pool_next integer := 1;
    member integer[];
    members refcursor;
    member_row record;

    -- Every account that this batch needs, those that commands name first.
    acc_id uuid[];
    acc_tenant bigint[];
    acc_lane bigint[];
    acc_was_posted bigint[];
    acc_was_held bigint[];
    acc_posted bigint[];
    acc_held bigint[];
    acc_open boolean[];
    acc_expires timestamptz[];
    acc_floor bigint[];
    acc_credit_line boolean[];
    acc_exists boolean[];
    acc_opening integer[];
    any_asleep boolean := false;
    acc_made_at timestamptz[];
    acc_count integer;
    acc_flagged boolean := false;
    o_from integer;
    o_next integer := 1;

    -- What happened to accounts beside the legs of holds, by event: the slice eff_from..eff_to.
    eff_from integer[];
    eff_to integer[];
    eff_ix integer[];
    eff_posted bigint[];
    eff_held bigint[];
    eff integer := 0;

    -- The legs of a hold, made or ended, by event: a slice of l_* followed by hl_*.
    base_from integer[];
    base_to integer[];
    base_account uuid[];
    base_posted bigint[];
    base_held bigint[];
    eff_account uuid[];
    leg_count CONSTANT integer := cardinality(l_account);

    i integer;
    j integer;
    a integer;
    p integer := 0;
    legs_from integer;
    legs_to integer := 0;
    legs_done integer;
    v_lane bigint;
    v_code smallint;
    v_leg integer;
    v_kind smallint;
    v_op smallint;
    v_amount bigint;
    v_left bigint;
    v_take bigint;
    v_total bigint;
    v_at timestamptz;
    v_line integer;
    v_single boolean;
    v_open boolean;
    v_deadline timestamptz;
    v_pool uuid;
    v_found uuid := '00000000-0000-0000-0000-000000000000';
    v_found_in integer := 0;
    v_found_first integer;
    v_found_last integer;
    v_first integer;
    v_last integer;
    v_line_at integer;
    v_eff integer;
    v_accepted integer := 0;
    v_holds integer := 0;
    v_made integer := 0;
    v_ended integer := 0;
BEGIN
    IF n = 0 THEN
        code := '{}';
        leg := '{}';
        "position" := '{}';
        recorded_at := '{}';
        balance := '{}';
        leg_left := '{}';
        RETURN;
    END IF;

    -- Every caller locks its lanes in the same order.
    v_single := c_lane[1] = c_lane[n] AND c_tenant[1] = c_tenant[n];
    IF v_single THEN
        SELECT ARRAY[l.lane], ARRAY[l.tenant_id], ARRAY[l.head], ARRAY[l.last_at]
        INTO lane_id, lane_tenant, lane_head, lane_at
        FROM ledger.lane AS l
        WHERE l.lane = c_lane[1] AND l.tenant_id = c_tenant[1]
        FOR UPDATE;
    ELSE
        SELECT array_agg(l.lane), array_agg(l.tenant_id), array_agg(l.head), array_agg(l.last_at)
        INTO lane_id, lane_tenant, lane_head, lane_at
        FROM (
            SELECT * FROM ledger.lane
            WHERE lane.lane = ANY (c_lane) AND lane.tenant_id = ANY (c_tenant)
            ORDER BY lane.lane, lane.tenant_id
            FOR UPDATE
        ) AS l;
    END IF;
    lane_count := coalesce(cardinality(lane_id), 0);
    v_now := clock_timestamp();
    v_today := (v_now AT TIME ZONE 'UTC')::date;

    code := array_fill(0, ARRAY[n]);
    leg := array_fill(0, ARRAY[n]);
    "position" := array_fill(0::bigint, ARRAY[n]);
    recorded_at := array_fill(v_now, ARRAY[n]);
    balance := "position";
    leg_left := array_fill(0::bigint, ARRAY[leg_count]);
    eff_from := array_fill(1, ARRAY[n]);
    eff_to := leg;
    base_from := eff_from;
    base_to := leg;

    IF n > 1 THEN
        SELECT count(DISTINCT u.e) < n OR count(DISTINCT u.h) < n INTO repeats FROM unnest(c_event, c_hold) AS u (e, h);
    END IF;
    IF repeats THEN
        SELECT array_agg(c.first_event ORDER BY c.ord), array_agg(c.first_hold ORDER BY c.ord)
        INTO first_event, first_hold
        FROM (
            SELECT u.ord,
                (min(u.ord) OVER (PARTITION BY u.event_id, u.tenant_id, u.day))::integer AS first_event,
                (min(u.ord) OVER (PARTITION BY u.hold_id, u.tenant_id))::integer AS first_hold
            FROM unnest(c_event, c_tenant, c_day, c_hold) WITH ORDINALITY AS u (event_id, tenant_id, day, hold_id, ord)
        ) AS c;
        accepted_as := leg;
        hold_made := array_fill(false, ARRAY[n]);
        hold_gone := hold_made;
    END IF;

    IF p_known THEN
        SELECT * INTO seen_any, seen_lane, seen_position, seen_digest, seen_at
        FROM ledger.find_known(c_event, c_tenant, c_day);
    END IF;

    -- Open holds. A hold is ended in its own lane only.
    IF n = 1 THEN
        IF c_kind[1] IN (2 /* kind_end */, 3 /* kind_expire */) THEN
            SELECT ARRAY[1], ARRAY[h.deadline], ARRAY[h.pool_id], ARRAY[cardinality(h.accounts)], h.accounts, h.pooled,
                h.amounts, ARRAY(
                    SELECT CASE WHEN u.pooled THEN 0 WHEN u.unit = 0 THEN c_money[1]
                        WHEN u.unit = 1 THEN c_requests[1] WHEN u.unit = 2 THEN c_tokens[1]
                        WHEN u.unit = 3 THEN c_allowance[1] ELSE 0 END
                    FROM unnest(h.units, h.pooled) AS u (unit, pooled)
                )
            INTO hold_command, hold_deadline, hold_pool, hold_legs, hl_account, hl_pooled, hl_amount, hl_taken
            FROM ledger.hold AS h
            WHERE h.hold_id = c_hold[1] AND h.tenant_id = c_tenant[1] AND h.lane = c_lane[1];
            IF FOUND THEN
                hold_count := 1;
                hl_command := array_fill(1, hold_legs);
            END IF;
        END IF;
    ELSIF 2 /* kind_end */ = ANY (c_kind) OR 3 /* kind_expire */ = ANY (c_kind) THEN
        WITH t AS MATERIALIZED (
            SELECT c.ord::integer AS ord, c.money, c.requests, c.tokens, c.allowance, h.deadline, h.pool_id, h.accounts,
                h.units, h.pooled, h.amounts
            FROM unnest(c_hold, c_tenant, c_lane, c_kind, c_money, c_requests, c_tokens, c_allowance) WITH ORDINALITY
                AS c (hold_id, tenant_id, lane, kind, money, requests, tokens, allowance, ord)
            JOIN ledger.hold AS h ON h.hold_id = c.hold_id AND h.tenant_id = c.tenant_id AND h.lane = c.lane
            WHERE c.kind IN (2, 3)
            ORDER BY c.ord
        )
        SELECT x.ord, x.deadline, x.pool, x.legs, y.account, y.owner, y.pooled, y.amount, y.taken
        INTO hold_command, hold_deadline, hold_pool, hold_legs, hl_account, hl_command, hl_pooled, hl_amount, hl_taken
        FROM (
            SELECT coalesce(array_agg(t.ord), '{}') AS ord, array_agg(t.deadline) AS deadline,
                coalesce(array_agg(t.pool_id), '{}') AS pool, array_agg(cardinality(t.accounts)) AS legs
            FROM t
        ) AS x,
        (
            -- A leg of its own takes the amount of its unit (class Unit) whole; pooled ones share the money.
            SELECT coalesce(array_agg(q.account), '{}') AS account, coalesce(array_agg(q.ord), '{}') AS owner,
                coalesce(array_agg(q.pooled), '{}') AS pooled, coalesce(array_agg(q.amount), '{}') AS amount,
                coalesce(array_agg(CASE WHEN q.pooled THEN 0 WHEN q.unit = 0 THEN q.money
                    WHEN q.unit = 1 THEN q.requests WHEN q.unit = 2 THEN q.tokens WHEN q.unit = 3 THEN q.allowance
                    ELSE 0 END), '{}') AS taken
            FROM (
                SELECT t.ord, t.money, t.requests, t.tokens, t.allowance, unnest(t.accounts) AS account,
                    unnest(t.units) AS unit, unnest(t.pooled) AS pooled, unnest(t.amounts) AS amount
                FROM t
            ) AS q
        ) AS y;
        hold_count := cardinality(hold_command);
    END IF;

    -- Two of a number would each have half of an account's sums. A look at the ids is enough, as a rule.
    IF account_count > 1 AND (SELECT count(DISTINCT u.id) < account_count FROM unnest(a_account) AS u (id)) AND (
        SELECT count(*) < account_count
        FROM (SELECT DISTINCT * FROM unnest(a_account, a_tenant, a_lane) AS u (account_id, tenant_id, lane)) AS q
    ) THEN
        RAISE EXCEPTION 'an account is named twice' USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- The accounts by number: first those that commands name (also those to be opened), then others of ended holds.
    IF hold_count = 0 THEN
        acc_id := a_account;
        acc_tenant := a_tenant;
        acc_lane := a_lane;
    ELSIF n = 1 AND account_count = 0 THEN
        acc_id := '{}';
        FOR p IN 1..cardinality(hl_account) LOOP
            a := array_position(acc_id, hl_account[p]);
            IF a IS NULL THEN
                a := cardinality(acc_id) + 1;
                acc_id[a] := hl_account[p];
            END IF;
            hl_ix[p] := a;
        END LOOP;
        acc_tenant := array_fill(c_tenant[1], ARRAY[cardinality(acc_id)]);
        acc_lane := array_fill(c_lane[1], ARRAY[cardinality(acc_id)]);
    ELSE
        WITH w AS (
            SELECT u.account_id, u.tenant_id, u.lane, u.ord
            FROM unnest(a_account, a_tenant, a_lane) WITH ORDINALITY AS u (account_id, tenant_id, lane, ord)
            UNION ALL
            SELECT u.account_id, c_tenant[u.command], c_lane[u.command], account_count + u.ord
            FROM unnest(hl_account, hl_command) WITH ORDINALITY AS u (account_id, command, ord)
        ), m AS MATERIALIZED (
            SELECT q.*, (dense_rank() OVER (ORDER BY q.first))::integer AS ix
            FROM (
                SELECT w.*, min(w.ord) OVER (PARTITION BY w.account_id, w.tenant_id, w.lane) AS first FROM w
            ) AS q
        )
        SELECT x.id, x.tenant, x.lane, y.ix
        INTO acc_id, acc_tenant, acc_lane, hl_ix
        FROM (
            SELECT array_agg(m.account_id ORDER BY m.ix) AS id, array_agg(m.tenant_id ORDER BY m.ix) AS tenant,
                array_agg(m.lane ORDER BY m.ix) AS lane
            FROM m
            WHERE m.ord = m.first
        ) AS x,
        (SELECT array_agg(m.ix ORDER BY m.ord) AS ix FROM m WHERE m.ord > account_count) AS y;
    END IF;
    acc_count := cardinality(acc_id);
    IF acc_count > 0 THEN
        SELECT array_agg(q.there), array_agg(q.posted), array_agg(q.held), array_agg(q.open), array_agg(q.expires_at),
            array_agg(q.pool_floor), array_agg(q.credit_line), bool_or(q.spent)
        INTO acc_exists, acc_posted, acc_held, acc_open, acc_expires, acc_floor, acc_credit_line, any_asleep
        FROM (
            SELECT s.account_id IS NOT NULL AS there, coalesce(s.posted, 0) AS posted, coalesce(s.held, 0) AS held,
                coalesce(s.open, true) AS open, coalesce(s.expires_at, 'infinity') AS expires_at,
                coalesce(s.pool_floor, 0) AS pool_floor, coalesce(s.credit_line, false) AS credit_line,
                coalesce(s.spent, false) AS spent
            FROM unnest(acc_id, acc_tenant, acc_lane) WITH ORDINALITY AS u (account_id, tenant_id, lane, ord)
            LEFT JOIN ledger.account AS s
                ON s.account_id = u.account_id AND s.tenant_id = u.tenant_id AND s.lane = u.lane
            ORDER BY u.ord
        ) AS q;
        acc_opening := array_fill(0, ARRAY[acc_count]);
        -- An account that is not there is laid out as the first command that opens it says.
        FOR p IN REVERSE opening_count..1 LOOP
            a := o_account[p];
            IF NOT acc_exists[a] THEN
                acc_opening[a] := p;
                acc_expires[a] := o_expires[p];
                acc_credit_line[a] := o_credit_line[p];
                any_asleep := any_asleep OR o_pool[p] <> no_pool;
            END IF;
        END LOOP;
    END IF;

    -- The members of the wallets in play, each wallet's in a row. One that is spent is there only if it is named.
    IF any_asleep THEN
        OPEN members FOR
            SELECT m.account_id, m.tenant_id, m.lane, m.pool_id, m.posted, m.held, m.open, m.expires_at, m.pool_floor,
                m.credit_line, u.ord
            FROM (
                SELECT s.account_id, s.tenant_id, s.lane, s.pool_id, s.posted, s.held, s.open, s.expires_at, s.pool_floor,
                    s.credit_line, s.priority, s.opened_at, 0 AS command
                FROM ledger.account AS s
                WHERE s.pool_id = ANY (c_pool || hold_pool) AND NOT s.spent
                    AND s.tenant_id = ANY (lane_tenant) AND s.lane = ANY (lane_id)
                UNION ALL
                SELECT s.account_id, s.tenant_id, s.lane, s.pool_id, s.posted, s.held, s.open, s.expires_at, s.pool_floor,
                    s.credit_line, s.priority, s.opened_at, 0
                FROM unnest(acc_id, acc_tenant, acc_lane) AS u (account_id, tenant_id, lane)
                JOIN ledger.account AS s ON s.account_id = u.account_id AND s.tenant_id = u.tenant_id AND s.lane = u.lane
                WHERE s.spent
                UNION ALL
                SELECT acc_id[w.account], acc_tenant[w.account], acc_lane[w.account], w.pool_id, 0, 0, true, w.expires_at, 0,
                    w.credit_line, w.priority, 'infinity', w.command
                FROM unnest(o_account, o_command, o_expires, o_pool, o_credit_line, o_priority) WITH ORDINALITY
                    AS w (account, command, expires_at, pool_id, credit_line, priority, ord)
                WHERE w.pool_id <> no_pool AND acc_opening[w.account] = w.ord
            ) AS m
            LEFT JOIN unnest(acc_id, acc_tenant, acc_lane) WITH ORDINALITY AS u (account_id, tenant_id, lane, ord)
                USING (account_id, tenant_id, lane)
            ORDER BY m.lane, m.tenant_id, m.pool_id, m.credit_line, m.priority, m.expires_at, m.opened_at, m.command,
                m.account_id;
    ELSIF v_single THEN
        OPEN members FOR
            SELECT s.account_id, s.tenant_id, s.lane, s.pool_id, s.posted, s.held, s.open, s.expires_at, s.pool_floor,
                s.credit_line, NULL::bigint AS ord
            FROM ledger.account AS s
            WHERE s.pool_id = ANY (c_pool || hold_pool) AND NOT s.spent
                AND s.tenant_id = c_tenant[1] AND s.lane = c_lane[1]
            ORDER BY s.pool_id, s.credit_line, s.priority, s.expires_at, s.opened_at, s.account_id;
    ELSE
        -- Each wallet is looked for in the lane whose command names it; with three arrays in the condition the index would
        -- be asked for every pool of the batch in every lane. Numbers are found by sorting: a nested loop over all
        -- accounts, for each member, was half of what a batch of many lanes cost.
        OPEN members FOR
            SELECT q.account_id, q.tenant_id, q.lane, q.pool_id, q.posted, q.held, q.open, q.expires_at, q.pool_floor,
                q.credit_line, q.ord
            FROM (
                SELECT x.*, min(x.number) OVER (PARTITION BY x.account_id, x.tenant_id, x.lane) AS ord
                FROM (
                    SELECT s.account_id, s.tenant_id, s.lane, s.pool_id, s.posted, s.held, s.open, s.expires_at,
                        s.pool_floor, s.credit_line, s.priority, s.opened_at, NULL::bigint AS number
                    FROM (
                        SELECT u.pool_id, u.tenant_id, u.lane
                        FROM unnest(c_pool, c_tenant, c_lane) AS u (pool_id, tenant_id, lane)
                        WHERE u.pool_id <> no_pool
                        UNION
                        SELECT u.pool_id, c_tenant[u.command], c_lane[u.command]
                        FROM unnest(hold_pool, hold_command) AS u (pool_id, command)
                    ) AS w
                    JOIN ledger.account AS s
                        ON s.pool_id = w.pool_id AND s.tenant_id = w.tenant_id AND s.lane = w.lane AND NOT s.spent
                    UNION ALL
                    SELECT u.account_id, u.tenant_id, u.lane, NULL, 0, 0, true, 'infinity', 0, false, 0, 'infinity', u.ord
                    FROM unnest(acc_id, acc_tenant, acc_lane) WITH ORDINALITY AS u (account_id, tenant_id, lane, ord)
                ) AS x
            ) AS q
            WHERE q.pool_id IS NOT NULL
            ORDER BY q.lane, q.tenant_id, q.pool_id, q.credit_line, q.priority, q.expires_at, q.opened_at, q.account_id;
    END IF;
    LOOP
        FETCH members INTO member_row;
        EXIT WHEN NOT FOUND;
        a := member_row.ord;
        IF v_single AND a IS NULL THEN
            -- The wallets of one lane have few members: each is looked for among the accounts by itself.
            a := array_position(acc_id, member_row.account_id);
            WHILE acc_lane[a] <> member_row.lane OR acc_tenant[a] <> member_row.tenant_id LOOP
                a := array_position(acc_id, member_row.account_id, a + 1);
            END LOOP;
        END IF;
        IF a IS NULL THEN
            acc_count := acc_count + 1;
            a := acc_count;
            acc_id[a] := member_row.account_id;
            acc_tenant[a] := member_row.tenant_id;
            acc_lane[a] := member_row.lane;
            acc_exists[a] := true;
            acc_posted[a] := member_row.posted;
            acc_held[a] := member_row.held;
            acc_open[a] := member_row.open;
            acc_expires[a] := member_row.expires_at;
            acc_floor[a] := member_row.pool_floor;
            acc_credit_line[a] := member_row.credit_line;
            acc_opening[a] := 0;
        END IF;
        p := p + 1;
        member[p] := a;
        IF pool_count = 0 OR pool_id[pool_count] <> member_row.pool_id OR pool_lane[pool_count] <> member_row.lane
            OR pool_tenant[pool_count] <> member_row.tenant_id THEN
            pool_count := pool_count + 1;
            pool_id[pool_count] := member_row.pool_id;
            pool_lane[pool_count] := member_row.lane;
            pool_tenant[pool_count] := member_row.tenant_id;
            pool_from[pool_count] := p;
        END IF;
        pool_to[pool_count] := p;
    END LOOP;
    CLOSE members;
    acc_was_posted := acc_posted;
    acc_was_held := acc_held;
    IF acc_count > 0 THEN
        acc_made_at := array_fill(v_now, ARRAY[acc_count]);
    END IF;

    FOR i IN 1..n LOOP
        v_kind := c_kind[i];
        v_lane := c_lane[i];
        legs_from := legs_to + 1;
        legs_to := legs_to + c_legs[i];
        v_pool := c_pool[i];
        v_open := h <= hold_count AND hold_command[h] = i;
        IF v_open THEN
            v_deadline := hold_deadline[h];
            v_pool := hold_pool[h];
            hold_from := hold_to + 1;
            hold_to := hold_to + hold_legs[h];
            h := h + 1;
        END IF;
        o_from := o_next;
        WHILE o_next <= opening_count AND o_command[o_next] = i LOOP
            o_next := o_next + 1;
        END LOOP;
        WHILE k <= lane_count AND (lane_id[k] < v_lane OR lane_id[k] = v_lane AND lane_tenant[k] < c_tenant[i]) LOOP
            k := k + 1;
        END LOOP;
        IF k > lane_count OR lane_id[k] <> v_lane OR lane_tenant[k] <> c_tenant[i] THEN
            code[i] := 11 /* unknown_lane */;
            CONTINUE;
        END IF;
        IF v_pool = no_pool THEN
            v_first := 1;
            v_last := 0;
        ELSE
            IF v_pool <> v_found OR k <> v_found_in THEN
                v_found := v_pool;
                v_found_in := k;
                v_found_first := 1;
                v_found_last := 0;
                WHILE pool_next <= pool_count AND (pool_lane[pool_next] < v_lane
                    OR pool_lane[pool_next] = v_lane AND pool_tenant[pool_next] < lane_tenant[k]) LOOP
                    pool_next := pool_next + 1;
                END LOOP;
                p := pool_next;
                WHILE p <= pool_count AND pool_lane[p] = v_lane AND pool_tenant[p] = lane_tenant[k] LOOP
                    IF pool_id[p] = v_pool THEN
                        v_found_first := pool_from[p];
                        v_found_last := pool_to[p];
                        EXIT;
                    END IF;
                    p := p + 1;
                END LOOP;
            END IF;
            v_first := v_found_first;
            v_last := v_found_last;
        END IF;
        -- The lane's time, by which everything is decided, never goes back.
        v_at := greatest(v_now, lane_at[k] + interval '1 microsecond');
        recorded_at[i] := v_at;
        v_code := 0;
        v_leg := 0;
        v_left := 0;
        v_eff := eff;

        -- Seen before? Then nothing happens; what the answer is, is said below.
        IF seen_any AND seen_position[i] > 0 THEN
            v_code := 1 /* already_exists */;
        ELSIF repeats AND accepted_as[first_event[i]] > 0 THEN
            j := accepted_as[first_event[i]];
            "position"[i] := "position"[j];
            recorded_at[i] := recorded_at[j];
            IF c_digest[j] = c_digest[i] AND c_lane[j] = v_lane THEN
                v_code := 1 /* already_exists */;
            ELSE
                v_code := CASE WHEN v_kind IN (2 /* kind_end */, 3 /* kind_expire */) THEN 3 /* hold_ended */ ELSE 2 /* id_conflict */ END;
            END IF;

        ELSIF v_kind IN (2 /* kind_end */, 3 /* kind_expire */) THEN
            legs_done := hold_from - 1;
            IF repeats AND hold_made[first_hold[i]] THEN
                v_code := 12 /* resend */;
            ELSIF NOT v_open OR (repeats AND hold_gone[first_hold[i]]) THEN
                v_code := 4 /* unknown_hold */;
            ELSIF v_kind = 3 /* kind_expire */ AND v_deadline > v_at THEN
                v_code := 13 /* not_due */;
            ELSIF c_money[i] < 0 OR c_requests[i] < 0 OR c_tokens[i] < 0 OR c_allowance[i] < 0
                OR c_money[i] > amount_max OR c_requests[i] > amount_max
                OR c_tokens[i] > amount_max OR c_allowance[i] > amount_max THEN
                v_code := 14 /* out_of_range */;
            ELSE
                -- Release every leg, and take what was used.
                v_left := c_money[i];
                FOR j IN hold_from..hold_to LOOP
                    a := hl_ix[j];
                    IF hl_pooled[j] THEN
                        v_take := least(hl_amount[j], v_left);
                        v_left := v_left - v_take;
                        hl_taken[j] := v_take;
                    ELSE
                        v_take := hl_taken[j];
                    END IF;
                    -- The account of a window that was purged is only a number here: no row is written for it.
                    acc_posted[a] := acc_posted[a] - v_take;
                    acc_held[a] := acc_held[a] - hl_amount[j];
                    legs_done := j;
                    IF acc_posted[a] < -account_max THEN
                        v_code := 14 /* out_of_range */;
                        EXIT;
                    END IF;
                END LOOP;
            END IF;

        ELSE
            v_left := c_money[i];
            v_line := 0;
            legs_done := legs_from - 1;
            IF v_kind = 1 /* kind_hold */ AND c_hold[i] <> c_event[i] THEN
                v_code := 2 /* id_conflict */;
            ELSIF c_day[i] < v_today - 7 OR c_day[i] > v_today + 1 THEN
                v_code := 15 /* bad_day */;
            ELSIF v_left < 0 OR v_left > amount_max THEN
                v_code := 14 /* out_of_range */;
            END IF;

            -- Accounts were laid out by the batch's first opening of each. Had an earlier command been accepted that
            -- opened it otherwise, or at another age, this one would have to be decided over again.
            IF o_next > o_from AND v_code = 0 THEN
                FOR p IN o_from..o_next - 1 LOOP
                    a := o_account[p];
                    j := acc_opening[a];
                    IF NOT acc_exists[a] AND o_command[j] < i AND (
                        o_pool[p] <> no_pool OR o_pool[j] <> no_pool OR o_expires[p] <> o_expires[j]
                        OR o_credit_line[p] <> o_credit_line[j] OR o_priority[p] <> o_priority[j]
                    ) THEN
                        v_code := 12 /* resend */;
                        EXIT;
                    END IF;
                END LOOP;
                IF v_code = 0 THEN
                    FOR p IN o_from..o_next - 1 LOOP
                        a := o_account[p];
                        IF NOT acc_exists[a] THEN
                            acc_exists[a] := true;
                            acc_posted[a] := 0;
                            acc_held[a] := 0;
                            acc_opening[a] := p;
                            acc_made_at[a] := v_at;
                        END IF;
                    END LOOP;
                END IF;
            END IF;

            -- A command that names a wallet, or takes money, needs one; every wallet ends in its credit line.
            IF v_code = 0 AND (v_left > 0 OR c_pool[i] <> no_pool) THEN
                v_line_at := v_last;
                WHILE v_line_at > v_first AND NOT acc_exists[member[v_line_at]] LOOP
                    v_line_at := v_line_at - 1;
                END LOOP;
                IF v_line_at >= v_first AND acc_exists[member[v_line_at]]
                    AND acc_credit_line[member[v_line_at]] THEN
                    v_line := member[v_line_at];
                ELSE
                    v_code := 5 /* unknown_account */;
                END IF;
            END IF;

            -- The legs, one after the other: each sees what those before it did.
            IF v_code <> 0 THEN
                NULL;
            ELSIF v_kind = 1 /* kind_hold */ THEN
                FOR j IN legs_from..legs_to LOOP
                    a := l_account[j];
                    v_amount := l_amount[j];
                    IF acc_exists[a] AND acc_lane[a] = v_lane AND v_amount >= 0 AND v_amount <= amount_max
                        AND acc_open[a] AND acc_expires[a] > v_at
                        AND acc_posted[a] - acc_held[a] - v_amount >= l_floor[j]
                        AND acc_held[a] + v_amount <= account_max THEN
                        acc_held[a] := acc_held[a] + v_amount;
                        leg_left[j] := acc_posted[a] - acc_held[a] - greatest(l_floor[j], -balance_max);
                        legs_done := j;
                    ELSE
                        v_leg := j - legs_from + 1;
                        v_code := CASE
                            WHEN NOT acc_exists[a] OR acc_lane[a] <> v_lane THEN 5 /* unknown_account */
                            WHEN v_amount < 0 OR v_amount > amount_max THEN 14 /* out_of_range */
                            WHEN NOT acc_open[a] THEN 6 /* account_closed */
                            WHEN acc_expires[a] <= v_at THEN 7 /* account_expired */
                            WHEN acc_posted[a] - acc_held[a] - v_amount < l_floor[j] THEN 8 /* limit_exceeded */
                            ELSE 14 /* out_of_range */
                        END;
                        EXIT;
                    END IF;
                END LOOP;
            ELSE
                FOR j IN legs_from..legs_to LOOP
                    a := l_account[j];
                    v_op := l_op[j];
                    v_amount := l_amount[j];
                    v_leg := j - legs_from + 1;
                    IF NOT acc_exists[a] OR acc_lane[a] <> v_lane THEN
                        v_code := 5 /* unknown_account */;
                    ELSIF v_amount > amount_max OR v_amount < -amount_max THEN
                        v_code := 14 /* out_of_range */;
                    ELSIF v_op IN (1 /* op_post */, 2 /* op_expect */) THEN
                        IF v_op = 2 /* op_expect */ AND acc_posted[a] <> l_floor[j] THEN
                            v_code := 10 /* version_mismatch */;
                        ELSIF abs(acc_posted[a] + v_amount) > account_max THEN
                            v_code := 14 /* out_of_range */;
                        ELSIF v_op = 1 /* op_post */ AND v_amount < 0
                            AND acc_posted[a] - acc_held[a] + v_amount < l_floor[j] THEN
                            v_code := 8 /* limit_exceeded */;
                        END IF;
                    ELSIF v_op = 5 /* op_drain */ THEN
                        IF acc_expires[a] > v_at OR acc_posted[a] <= acc_held[a] THEN
                            v_code := 13 /* not_due */;
                        END IF;
                        v_amount := acc_held[a] - acc_posted[a];
                    ELSIF v_op = 6 /* op_repay */ THEN
                        -- New credit first pays what an overrun left owing on the wallet's credit line.
                        IF v_line = 0 THEN
                            v_code := 5 /* unknown_account */;
                            v_leg := 0;
                        ELSE
                            v_amount := -greatest(least(-acc_posted[v_line], acc_posted[a] - acc_held[a]), 0);
                            IF v_amount < 0 THEN
                                acc_posted[v_line] := acc_posted[v_line] - v_amount;
                                eff := eff + 1;
                                eff_ix[eff] := v_line;
                                eff_posted[eff] := -v_amount;
                                eff_held[eff] := 0;
                            END IF;
                        END IF;
                    ELSE
                        v_amount := 0;
                    END IF;
                    EXIT WHEN v_code <> 0;
                    IF v_amount <> 0 THEN
                        acc_posted[a] := acc_posted[a] + v_amount;
                        eff := eff + 1;
                        eff_ix[eff] := a;
                        eff_posted[eff] := v_amount;
                        eff_held[eff] := 0;
                    END IF;
                END LOOP;
            END IF;

            -- The wallet. What its credit line owes beyond the floor counts against what the grants could pay.
            IF v_code = 0 THEN
                v_leg := 0;
                IF v_left > 0 AND (v_kind = 1 /* kind_hold */ OR c_strict[i]) THEN
                    v_total := 0;
                    IF acc_open[v_line] AND acc_expires[v_line] > v_at THEN
                        v_total := acc_posted[v_line] - acc_held[v_line] - acc_floor[v_line];
                    END IF;
                    IF v_total < v_left THEN
                        FOR p IN v_first..v_line_at - 1 LOOP
                            a := member[p];
                            IF acc_posted[a] - acc_held[a] > acc_floor[a]
                                AND acc_exists[a] AND acc_open[a] AND acc_expires[a] > v_at THEN
                                v_total := v_total + acc_posted[a] - acc_held[a] - acc_floor[a];
                                EXIT WHEN v_total >= v_left;
                            END IF;
                        END LOOP;
                        IF v_total < v_left THEN
                            v_code := 9 /* insufficient */;
                        END IF;
                    END IF;
                END IF;
                IF v_left > 0 AND v_kind = 1 /* kind_hold */ AND v_code = 0 THEN
                    FOR p IN v_first..v_line_at LOOP
                        a := member[p];
                        v_take := least(acc_posted[a] - acc_held[a] - acc_floor[a], v_left);
                        IF v_take > 0 AND acc_exists[a] AND acc_open[a] AND acc_expires[a] > v_at THEN
                            v_left := v_left - v_take;
                            acc_held[a] := acc_held[a] + v_take;
                            eff := eff + 1;
                            eff_ix[eff] := a;
                            eff_posted[eff] := 0;
                            eff_held[eff] := v_take;
                            EXIT WHEN v_left = 0;
                        END IF;
                    END LOOP;
                END IF;
            END IF;
        END IF;

        -- What the hold did not cover (or a one-phase charge) burns what is left, the credit line last and without a
        -- floor: what a vendor metered is owed.
        IF v_code = 0 AND v_left > 0 AND v_pool <> no_pool THEN
            v_line_at := v_last;
            WHILE v_line_at > v_first AND NOT acc_exists[member[v_line_at]] LOOP
                v_line_at := v_line_at - 1;
            END LOOP;
            IF v_line_at < v_first OR NOT acc_exists[member[v_line_at]]
                OR NOT acc_credit_line[member[v_line_at]] THEN
                v_code := 5 /* unknown_account */;
            ELSE
                FOR p IN v_first..v_line_at LOOP
                    a := member[p];
                    IF p = v_line_at THEN
                        v_take := v_left;
                    ELSIF acc_exists[a] AND acc_open[a] AND acc_expires[a] > v_at THEN
                        v_take := least(acc_posted[a] - acc_held[a], v_left);
                    ELSE
                        v_take := 0;
                    END IF;
                    IF v_take > 0 THEN
                        v_left := v_left - v_take;
                        acc_posted[a] := acc_posted[a] - v_take;
                        eff := eff + 1;
                        eff_ix[eff] := a;
                        eff_posted[eff] := -v_take;
                        eff_held[eff] := 0;
                        EXIT WHEN v_left = 0;
                    END IF;
                END LOOP;
                IF acc_posted[a] < -account_max THEN
                    v_code := 14 /* out_of_range */;
                END IF;
            END IF;
        END IF;

        IF v_code = 0 THEN
            v_accepted := v_accepted + 1;
            lane_head[k] := lane_head[k] + 1;
            lane_at[k] := v_at;
            "position"[i] := lane_head[k];
            eff_from[i] := v_eff + 1;
            eff_to[i] := eff;
            IF repeats THEN
                accepted_as[first_event[i]] := i;
            END IF;
            IF v_kind = 1 /* kind_hold */ THEN
                v_holds := v_holds + 1;
                base_from[i] := legs_from;
                base_to[i] := legs_to;
                IF repeats THEN
                    hold_made[first_hold[i]] := true;
                END IF;
            ELSIF v_kind IN (2 /* kind_end */, 3 /* kind_expire */) THEN
                v_ended := v_ended + 1;
                base_from[i] := leg_count + hold_from;
                base_to[i] := leg_count + hold_to;
                IF repeats THEN
                    hold_gone[first_hold[i]] := true;
                END IF;
            ELSE
                -- Closing, opening and floors are for commands after this one.
                FOR j IN legs_from..legs_to LOOP
                    v_op := l_op[j];
                    IF v_op IN (3 /* op_close */, 4 /* op_open */, 7 /* op_floor */) THEN
                        acc_flagged := true;
                        IF v_op = 7 /* op_floor */ THEN
                            acc_floor[l_account[j]] := l_amount[j];
                        ELSE
                            acc_open[l_account[j]] := v_op = 4 /* op_open */;
                        END IF;
                    END IF;
                END LOOP;
            END IF;
            IF o_next > o_from THEN
                v_made := v_made + 1;
            END IF;
        ELSE
            -- Undo what was tried. (What was seen before has tried nothing.)
            IF v_code NOT IN (1 /* already_exists */, 2 /* id_conflict */, 3 /* hold_ended */) THEN
                FOR p IN v_eff + 1..eff LOOP
                    a := eff_ix[p];
                    acc_posted[a] := acc_posted[a] - eff_posted[p];
                    acc_held[a] := acc_held[a] - eff_held[p];
                END LOOP;
                eff := v_eff;
                IF v_kind = 1 /* kind_hold */ THEN
                    FOR j IN legs_from..legs_done LOOP
                        a := l_account[j];
                        acc_held[a] := acc_held[a] - l_amount[j];
                    END LOOP;
                ELSIF v_kind IN (2 /* kind_end */, 3 /* kind_expire */) AND v_code IN (14 /* out_of_range */, 5 /* unknown_account */) THEN
                    FOR j IN hold_from..legs_done LOOP
                        a := hl_ix[j];
                        acc_posted[a] := acc_posted[a] + hl_taken[j];
                        acc_held[a] := acc_held[a] + hl_amount[j];
                    END LOOP;
                END IF;
                FOR p IN o_from..o_next - 1 LOOP
                    a := o_account[p];
                    IF acc_opening[a] = p THEN
                        acc_exists[a] := false;
                    END IF;
                END LOOP;
            END IF;
            -- What the log has already is no refusal: it was accepted when there was room for it.
            IF NOT looked THEN
                looked := true;
                SELECT * INTO seen_any, seen_lane, seen_position, seen_digest, seen_at
                FROM ledger.find_known(c_event, c_tenant, c_day);
            END IF;
            IF seen_any AND seen_position[i] > 0 THEN
                "position"[i] := seen_position[i];
                recorded_at[i] := seen_at[i];
                v_leg := 0;
                IF seen_digest[i] = c_digest[i] AND seen_lane[i] = v_lane THEN
                    v_code := 1 /* already_exists */;
                ELSE
                    v_code := CASE WHEN v_kind IN (2 /* kind_end */, 3 /* kind_expire */) THEN 3 /* hold_ended */
                        ELSE 2 /* id_conflict */ END;
                END IF;
            END IF;
            code[i] := v_code;
            leg[i] := v_leg;
        END IF;

        IF v_last >= v_first THEN
            v_total := 0;
            FOR p IN v_first..v_last LOOP
                a := member[p];
                IF acc_exists[a] AND acc_expires[a] > v_at THEN
                    v_total := v_total + acc_posted[a] - acc_held[a];
                    IF abs(v_total) > balance_max THEN
                        v_total := sign(v_total)::bigint * balance_max;
                    END IF;
                END IF;
            END LOOP;
            balance[i] := v_total;
        END IF;
    END LOOP;
    IF v_accepted = 0 THEN
        RETURN;
    END IF;

    -- Legs of holds, made and ended, and what else moved, by the numbers of accounts. The slices below are cut from flat
    -- copies: an array variable would be flattened for each of them.
    IF n = 1 THEN
        base_account := '{}';
        IF v_holds > 0 THEN
            FOR p IN 1..leg_count LOOP
                base_account[p] := acc_id[l_account[p]];
            END LOOP;
            base_posted := array_fill(0::bigint, ARRAY[leg_count]);
            base_held := l_amount;
        ELSIF v_ended > 0 THEN
            base_account := hl_account;
            FOR p IN 1..hold_to LOOP
                base_posted[p] := -hl_taken[p];
                base_held[p] := -hl_amount[p];
            END LOOP;
        END IF;
        FOR p IN 1..eff LOOP
            eff_account[p] := acc_id[eff_ix[p]];
        END LOOP;
        -- Each of these may be NULL, which is as good as empty beside one that is not.
        base_account := base_account || eff_account;
        base_posted := coalesce(base_posted || eff_posted, '{}');
        base_held := coalesce(base_held || eff_held, '{}');
    ELSE
        SELECT ARRAY(SELECT acc_id[u.ix] FROM unnest(l_account) AS u (ix)) || hl_account,
            array_fill(0::bigint, ARRAY[leg_count]) || ARRAY(SELECT -u.taken FROM unnest(hl_taken) AS u (taken)),
            l_amount || ARRAY(SELECT -u.amount FROM unnest(hl_amount) AS u (amount)),
            ARRAY(SELECT acc_id[u.ix] FROM unnest(eff_ix) AS u (ix))
        INTO base_account, base_posted, base_held, eff_account;
    END IF;

    -- An event's effects are the legs of the hold that it made or ended, and whatever else moved. The log's own keys say
    -- whether it has one of them already: then nothing has been written yet, and all is decided again.
    BEGIN
        IF n = 1 THEN
            INSERT INTO ledger.event (event_id, tenant_id, day, lane, position, recorded_at, correlation_id, causation_id,
                digest, type, actor, data, account_ids, posted, held)
            VALUES (c_event[1], c_tenant[1], c_day[1], c_lane[1], "position"[1], recorded_at[1], c_correlation[1],
                c_causation[1], c_digest[1], c_type[1], c_actor[1], c_data[1], base_account, base_posted, base_held);
        ELSE
            WITH f AS MATERIALIZED (
                SELECT base_account, base_posted, base_held, eff_account AS account, eff_posted AS posted, eff_held AS held
            )
            INSERT INTO ledger.event (event_id, tenant_id, day, lane, position, recorded_at, correlation_id, causation_id,
                digest, type, actor, data, account_ids, posted, held)
            SELECT c.event_id, c.tenant_id, c.day, c.lane, c.position, c.recorded_at, c.correlation_id, c.causation_id,
                c.digest, c.type, c.actor, c.data,
                f.base_account[c.base_lo:c.base_hi] || f.account[c.lo:c.hi],
                f.base_posted[c.base_lo:c.base_hi] || f.posted[c.lo:c.hi],
                f.base_held[c.base_lo:c.base_hi] || f.held[c.lo:c.hi]
            FROM unnest(c_event, c_tenant, c_day, c_lane, "position", recorded_at, c_correlation, c_causation, c_digest,
                c_type, c_actor, c_data, base_from, base_to, eff_from, eff_to, code)
                AS c (event_id, tenant_id, day, lane, position, recorded_at, correlation_id, causation_id, digest, type,
                    actor, data, base_lo, base_hi, lo, hi, code), f
            WHERE c.code = 0;
        END IF;
    EXCEPTION WHEN unique_violation THEN
        IF p_known THEN
            RAISE;
        END IF;
        SELECT * INTO code, leg, "position", recorded_at, balance, leg_left
        FROM ledger.apply(c_tenant, c_lane, c_kind, c_event, c_day, c_digest, c_type, c_actor, c_correlation,
            c_causation, c_data, c_hold, c_timeout, c_pool, c_strict, c_money, c_requests, c_tokens, c_allowance, c_legs,
            a_account, a_tenant, a_lane, l_account, l_op, l_amount, l_floor, o_command, o_account, o_name, o_unit,
            o_expires, o_purge, o_pool, o_credit_line, o_priority, true);
        RETURN;
    END;

    UPDATE ledger.account AS s
    SET posted = u.posted, held = u.held, open = u.open, pool_floor = u.pool_floor,
        -- A spent member has nothing to give, and is not read with its wallet any more until something names it.
        spent = s.pool_id IS NOT NULL AND NOT s.credit_line AND u.posted = 0 AND u.held = 0 AND u.pool_floor >= 0
    FROM unnest(acc_id, acc_tenant, acc_lane, acc_was_posted, acc_was_held, acc_posted, acc_held, acc_open, acc_floor,
        acc_exists, acc_opening) AS u (account_id, tenant_id, lane, was_posted, was_held, posted, held, open, pool_floor,
            there, opening)
    WHERE s.account_id = u.account_id AND s.tenant_id = u.tenant_id AND s.lane = u.lane
        AND u.there AND u.opening = 0
        AND (u.posted <> u.was_posted OR u.held <> u.was_held
            OR acc_flagged AND (u.open <> s.open OR u.pool_floor <> s.pool_floor));

    IF v_made > 0 THEN
        INSERT INTO ledger.account (account_id, tenant_id, lane, name, unit, posted, held, open, opened_at, expires_at,
            purge_at, pool_id, credit_line, priority, pool_floor, spent)
        SELECT u.account_id, u.tenant_id, u.lane, w.name, w.unit, u.posted, u.held, u.open, u.made_at, w.expires_at,
            w.purge_at, nullif(w.pool_id, no_pool), w.credit_line, w.priority, u.pool_floor,
            w.pool_id <> no_pool AND NOT w.credit_line AND u.posted = 0 AND u.held = 0 AND u.pool_floor >= 0
        FROM unnest(acc_id, acc_tenant, acc_lane, acc_posted, acc_held, acc_open, acc_made_at, acc_floor, acc_exists,
            acc_opening) AS u (account_id, tenant_id, lane, posted, held, open, made_at, pool_floor, there, opening)
        JOIN unnest(o_name, o_unit, o_expires, o_purge, o_pool, o_credit_line, o_priority) WITH ORDINALITY
            AS w (name, unit, expires_at, purge_at, pool_id, credit_line, priority, ord) ON w.ord = u.opening
        WHERE u.there;
    END IF;

    IF v_holds > 0 AND n = 1 THEN
        INSERT INTO ledger.hold (hold_id, tenant_id, lane, day, deadline, pool_id, accounts, units, pooled, amounts)
        VALUES (c_hold[1], c_tenant[1], c_lane[1], c_day[1], recorded_at[1] + c_timeout[1] * interval '1 second',
            c_pool[1], base_account, l_op || array_fill(0::smallint, ARRAY[eff]),
            array_fill(false, ARRAY[leg_count]) || array_fill(true, ARRAY[eff]), base_held);
    ELSIF v_holds > 0 THEN
        WITH f AS MATERIALIZED (
            SELECT base_account AS account, l_op AS unit, base_held AS amount, eff_account AS pool_account,
                eff_held AS pool_amount
        )
        INSERT INTO ledger.hold (hold_id, tenant_id, lane, day, deadline, pool_id, accounts, units, pooled, amounts)
        SELECT c.hold_id, c.tenant_id, c.lane, c.day, c.recorded_at + c.timeout * interval '1 second', c.pool_id,
            f.account[c.lo:c.hi] || f.pool_account[c.pool_lo:c.pool_hi],
            f.unit[c.lo:c.hi] || array_fill(0::smallint, ARRAY[c.pool_hi - c.pool_lo + 1]),
            array_fill(false, ARRAY[c.hi - c.lo + 1]) || array_fill(true, ARRAY[c.pool_hi - c.pool_lo + 1]),
            f.amount[c.lo:c.hi] || f.pool_amount[c.pool_lo:c.pool_hi]
        FROM unnest(c_hold, c_tenant, c_lane, c_day, recorded_at, c_timeout, c_pool, base_from, base_to, eff_from, eff_to,
            c_kind, code) AS c (hold_id, tenant_id, lane, day, recorded_at, timeout, pool_id, lo, hi, pool_lo, pool_hi,
                kind, code), f
        WHERE c.kind = 1 AND c.code = 0;
    END IF;

    IF v_ended > 0 AND n = 1 THEN
        DELETE FROM ledger.hold AS h WHERE h.hold_id = c_hold[1] AND h.tenant_id = c_tenant[1];
    ELSIF v_ended > 0 THEN
        DELETE FROM ledger.hold AS h
        USING unnest(c_hold, c_tenant, c_kind, code) AS c (hold_id, tenant_id, kind, code)
        WHERE h.hold_id = c.hold_id AND h.tenant_id = c.tenant_id
            AND c.kind IN (2, 3) AND c.code = 0;
    END IF;

    IF v_single THEN
        UPDATE ledger.lane AS l SET head = lane_head[1], last_at = lane_at[1]
        WHERE l.lane = lane_id[1] AND l.tenant_id = lane_tenant[1];
    ELSE
        UPDATE ledger.lane AS l SET head = u.head, last_at = u.last_at
        FROM unnest(lane_id, lane_tenant, lane_head, lane_at) AS u (lane, tenant_id, head, last_at)
        WHERE l.lane = u.lane AND l.tenant_id = u.tenant_id AND l.head < u.head;
    END IF;
END
$$;
