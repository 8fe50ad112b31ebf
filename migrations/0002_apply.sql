-- The one write path of the log: apply a batch of commands to their lanes, in order, all accepted ones in one commit.
--
-- Commands come as parallel arrays (c_*, sorted by lane), their legs and openings flattened beside them (l_*, o_*).
-- domain/ledger/commands.py names every code; domain/ledger/model.py is the same rules in Python, and a property test
-- runs both against each other. The function knows nothing of prices, models or groups.
--
-- Generic plans, for otherwise each of the statements below is planned again in each call, which costs more than running it.
--
-- It walks on arrays and touches tables set-wise, because an account that is updated n times in one transaction drags
-- n row versions along. No array that the walk subscripts holds a NULL or a text: those are read from the front each time.

CREATE FUNCTION ledger.apply(
    c_tenant bigint[], c_lane bigint[], c_kind smallint[], c_event uuid[], c_day date[], c_digest bigint[],
    c_type text[], c_actor text[], c_correlation uuid[], c_causation uuid[], c_data bytea[],
    c_hold uuid[], c_timeout integer[], c_pool uuid[], c_strict boolean[],
    c_money bigint[], c_requests bigint[], c_tokens bigint[], c_allowance bigint[],
    c_legs integer[],
    l_account uuid[], l_op smallint[], l_amount bigint[], l_floor bigint[],
    o_command integer[], o_account uuid[], o_name text[], o_unit smallint[], o_expires timestamptz[],
    o_purge timestamptz[], o_pool uuid[], o_credit_line boolean[], o_priority integer[],
    OUT code smallint[], OUT leg integer[], OUT "position" bigint[], OUT recorded_at timestamptz[],
    OUT balance bigint[]
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    -- What the codes mean: domain/ledger/commands.py, class Code.
    ok CONSTANT smallint := 0;
    already_exists CONSTANT smallint := 1;
    id_conflict CONSTANT smallint := 2;
    hold_ended CONSTANT smallint := 3;
    unknown_hold CONSTANT smallint := 4;
    unknown_account CONSTANT smallint := 5;
    account_closed CONSTANT smallint := 6;
    account_expired CONSTANT smallint := 7;
    limit_exceeded CONSTANT smallint := 8;
    insufficient CONSTANT smallint := 9;
    version_mismatch CONSTANT smallint := 10;
    unknown_lane CONSTANT smallint := 11;
    resend CONSTANT smallint := 12;
    not_due CONSTANT smallint := 13;
    out_of_range CONSTANT smallint := 14;
    bad_day CONSTANT smallint := 15;

    -- Kinds of commands and operations of legs: classes Kind, Op and Unit of the same module.
    kind_hold CONSTANT smallint := 1;
    kind_end CONSTANT smallint := 2;
    kind_expire CONSTANT smallint := 3;
    op_post CONSTANT smallint := 1;
    op_expect CONSTANT smallint := 2;
    op_close CONSTANT smallint := 3;
    op_open CONSTANT smallint := 4;
    op_drain CONSTANT smallint := 5;
    op_repay CONSTANT smallint := 6;
    op_floor CONSTANT smallint := 7;
    unit_money CONSTANT smallint := 0;
    unit_requests CONSTANT smallint := 1;
    unit_tokens CONSTANT smallint := 2;
    unit_allowance CONSTANT smallint := 3;

    no_pool CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    no_floor CONSTANT bigint := -9223372036854775807;
    amount_max CONSTANT bigint := 1000000000000000000;

    n CONSTANT integer := coalesce(array_length(c_event, 1), 0);
    opening_count CONSTANT integer := coalesce(array_length(o_account, 1), 0);
    day_lo date;
    day_hi date;
    v_now timestamptz;
    v_today date;

    lane_id bigint[];
    lane_tenant bigint[];
    lane_head bigint[];
    lane_at timestamptz[];
    lane_count integer;
    k integer := 1;

    first_seen integer[];
    first_hold integer[];
    seen_digest bigint[];
    seen_position bigint[];
    seen_at timestamptz[];

    -- Open holds that terminals name, by command; their legs are the slice hold_from..hold_to of hl_*.
    hold_row record;
    hold_count integer := 0;
    hold_open boolean[];
    hold_deadline timestamptz[];
    hold_from integer[];
    hold_to integer[];
    hl_account uuid[] := '{}';
    hl_unit smallint[] := '{}';
    hl_pooled boolean[] := '{}';
    hl_amount bigint[] := '{}';
    hl_ix integer[];

    -- The wallet of each command, and its members as a range of the accounts below.
    pool_of uuid[];
    pool_from integer[];
    pool_to integer[];

    -- Every account that this batch needs. Members of a pool stand together, in the order in which they burn.
    acc_id uuid[];
    acc_tenant bigint[];
    acc_lane bigint[];
    acc_posted bigint[];
    acc_held bigint[];
    acc_open boolean[];
    acc_expires timestamptz[];
    acc_floor bigint[];
    acc_credit_line boolean[];
    acc_exists boolean[];
    acc_changed boolean[];
    acc_opening integer[];
    acc_made_at timestamptz[];
    acc_count integer;
    l_ix integer[];
    o_ix integer[];
    o integer := 1;
    o_next integer := 1;

    -- What happened to accounts, by event: the slice eff_from..eff_to.
    eff_from integer[];
    eff_to integer[];
    eff_account uuid[] := '{}';
    eff_posted bigint[] := '{}';
    eff_held bigint[] := '{}';
    eff integer := 0;

    -- Holds made here, by command: the slice nh_from..nh_to.
    nh_from integer[];
    nh_to integer[];
    nh_account uuid[] := '{}';
    nh_unit smallint[] := '{}';
    nh_pooled boolean[] := '{}';
    nh_amount bigint[] := '{}';
    nh integer := 0;
    deadline timestamptz[];
    ended uuid[] := '{}';

    i integer;
    j integer;
    a integer;
    p integer;
    legs_from integer;
    legs_to integer := 0;
    v_code smallint;
    v_leg integer;
    v_kind smallint;
    v_op smallint;
    v_amount bigint;
    v_left bigint;
    v_take bigint;
    v_total bigint;
    v_at timestamptz;
    v_accepted integer := 0;
    v_made integer := 0;
BEGIN
    code := '{}';
    leg := '{}';
    "position" := '{}';
    recorded_at := '{}';
    balance := '{}';
    IF n = 0 THEN
        RETURN;
    END IF;

    -- Every caller locks its lanes in the same order.
    SELECT array_agg(l.lane), array_agg(l.tenant_id), array_agg(l.head), array_agg(l.last_at)
    INTO lane_id, lane_tenant, lane_head, lane_at
    FROM (
        SELECT * FROM ledger.lane
        WHERE lane.lane = ANY (c_lane) AND lane.tenant_id = ANY (c_tenant)
        ORDER BY lane.lane
        FOR UPDATE
    ) AS l;
    lane_count := coalesce(array_length(lane_id, 1), 0);
    v_now := clock_timestamp();
    v_today := (v_now AT TIME ZONE 'UTC')::date;
    SELECT min(d), max(d) INTO day_lo, day_hi FROM unnest(c_day) AS d;

    code := array_fill(ok, ARRAY[n]);
    leg := array_fill(0, ARRAY[n]);
    "position" := array_fill(0::bigint, ARRAY[n]);
    recorded_at := array_fill(v_now, ARRAY[n]);
    balance := array_fill(0::bigint, ARRAY[n]);
    eff_from := array_fill(1, ARRAY[n]);
    eff_to := array_fill(0, ARRAY[n]);
    nh_from := array_fill(1, ARRAY[n]);
    nh_to := array_fill(0, ARRAY[n]);
    deadline := array_fill(v_now, ARRAY[n]);
    hold_open := array_fill(false, ARRAY[n]);
    hold_deadline := array_fill(v_now, ARRAY[n]);
    hold_from := array_fill(1, ARRAY[n]);
    hold_to := array_fill(0, ARRAY[n]);
    pool_of := c_pool;

    -- Ids that the log has already, and ids that stand more than once in this batch.
    SELECT array_agg(coalesce(e.digest, 0) ORDER BY c.ord), array_agg(coalesce(e.position, 0) ORDER BY c.ord),
        array_agg(coalesce(e.recorded_at, v_now) ORDER BY c.ord),
        array_agg(c.first_event ORDER BY c.ord), array_agg(c.first_hold ORDER BY c.ord)
    INTO seen_digest, seen_position, seen_at, first_seen, first_hold
    FROM (
        SELECT u.*, (min(u.ord) OVER (PARTITION BY u.event_id))::integer AS first_event,
            (min(u.ord) OVER (PARTITION BY u.hold_id))::integer AS first_hold
        FROM unnest(c_event, c_tenant, c_day, c_hold) WITH ORDINALITY AS u (event_id, tenant_id, day, hold_id, ord)
    ) AS c
    LEFT JOIN ledger.event AS e
        ON e.event_id = c.event_id AND e.tenant_id = c.tenant_id AND e.day = c.day
        AND e.event_id = ANY (c_event) AND e.tenant_id = ANY (lane_tenant) AND e.day BETWEEN day_lo AND day_hi;

    FOR hold_row IN
        SELECT c.ord, h.* FROM unnest(c_hold, c_tenant, c_kind) WITH ORDINALITY AS c (hold_id, tenant_id, kind, ord)
        JOIN ledger.hold AS h ON h.hold_id = c.hold_id AND h.tenant_id = c.tenant_id
        WHERE c.kind IN (2, 3) AND h.hold_id = ANY (c_hold) AND h.tenant_id = ANY (lane_tenant)
    LOOP
        i := hold_row.ord;
        hold_open[i] := true;
        hold_deadline[i] := hold_row.deadline;
        pool_of[i] := hold_row.pool_id;
        hold_from[i] := hold_count + 1;
        hold_count := hold_count + cardinality(hold_row.accounts);
        hold_to[i] := hold_count;
        hl_account := hl_account || hold_row.accounts;
        hl_unit := hl_unit || hold_row.units;
        hl_pooled := hl_pooled || hold_row.pooled;
        hl_amount := hl_amount || hold_row.amounts;
    END LOOP;

    -- The accounts: those that legs, holds and openings name, the members of every wallet in play, and those to be opened.
    WITH named AS MATERIALIZED (
        SELECT s.* FROM ledger.account AS s
        WHERE s.account_id = ANY (l_account || hl_account || o_account)
            AND s.tenant_id = ANY (lane_tenant) AND s.lane = ANY (lane_id)
    ), opened AS (
        SELECT DISTINCT ON (u.account_id) u.*, c_tenant[u.command] AS tenant_id, c_lane[u.command] AS lane
        FROM unnest(o_command, o_account, o_expires, o_pool, o_credit_line, o_priority) WITH ORDINALITY
            AS u (command, account_id, expires_at, pool_id, credit_line, priority, ord)
        WHERE opening_count > 0
            AND NOT EXISTS (SELECT FROM named WHERE named.account_id = u.account_id)
        ORDER BY u.account_id, u.ord
    ), wanted AS (
        SELECT account_id, tenant_id, lane, posted, held, open, opened_at, expires_at, pool_id, credit_line, priority,
            pool_floor, 0 AS opening
        FROM named
        UNION ALL
        SELECT account_id, tenant_id, lane, posted, held, open, opened_at, expires_at, s.pool_id, credit_line, priority,
            pool_floor, 0
        FROM ledger.account AS s
        WHERE s.pool_id = ANY (pool_of) AND NOT s.spent AND s.tenant_id = ANY (lane_tenant) AND s.lane = ANY (lane_id)
            AND NOT EXISTS (SELECT FROM named WHERE named.account_id = s.account_id)
        UNION ALL
        SELECT account_id, tenant_id, lane, 0, 0, true, v_now, expires_at, nullif(opened.pool_id, no_pool), credit_line,
            priority, 0, ord::integer
        FROM opened
    ), ordered AS (
        SELECT wanted.*, (row_number() OVER (
            ORDER BY wanted.pool_id, credit_line, priority, expires_at, opened_at, account_id
        ))::integer AS ix
        FROM wanted
    )
    SELECT array_agg(account_id ORDER BY ix), array_agg(tenant_id ORDER BY ix), array_agg(lane ORDER BY ix),
        array_agg(posted ORDER BY ix), array_agg(held ORDER BY ix), array_agg(open ORDER BY ix),
        array_agg(expires_at ORDER BY ix), array_agg(pool_floor ORDER BY ix), array_agg(credit_line ORDER BY ix),
        array_agg(opening = 0 ORDER BY ix), array_agg(opening ORDER BY ix), count(*),
        (SELECT array_agg(coalesce(r.lo, 1) ORDER BY c.ord) FROM unnest(pool_of) WITH ORDINALITY AS c (pool_id, ord)
            LEFT JOIN (SELECT g.pool_id, min(g.ix) AS lo FROM ordered AS g GROUP BY 1) AS r USING (pool_id)),
        (SELECT array_agg(coalesce(r.hi, 0) ORDER BY c.ord) FROM unnest(pool_of) WITH ORDINALITY AS c (pool_id, ord)
            LEFT JOIN (SELECT g.pool_id, max(g.ix) AS hi FROM ordered AS g GROUP BY 1) AS r USING (pool_id))
    INTO acc_id, acc_tenant, acc_lane, acc_posted, acc_held, acc_open, acc_expires, acc_floor, acc_credit_line,
        acc_exists, acc_opening, acc_count, pool_from, pool_to
    FROM ordered;
    IF acc_count = 0 THEN
        acc_id := '{}';
    ELSE
        acc_changed := array_fill(false, ARRAY[acc_count]);
        acc_made_at := array_fill(v_now, ARRAY[acc_count]);
    END IF;
    SELECT array_agg(coalesce(m.ix, 0)::integer ORDER BY u.ord) INTO l_ix
    FROM unnest(l_account) WITH ORDINALITY AS u (account_id, ord)
    LEFT JOIN unnest(acc_id) WITH ORDINALITY AS m (account_id, ix) USING (account_id);
    IF hold_count > 0 THEN
        SELECT array_agg(coalesce(m.ix, 0)::integer ORDER BY u.ord) INTO hl_ix
        FROM unnest(hl_account) WITH ORDINALITY AS u (account_id, ord)
        LEFT JOIN unnest(acc_id) WITH ORDINALITY AS m (account_id, ix) USING (account_id);
    END IF;
    IF opening_count > 0 THEN
        SELECT array_agg(coalesce(m.ix, 0)::integer ORDER BY u.ord) INTO o_ix
        FROM unnest(o_account) WITH ORDINALITY AS u (account_id, ord)
        LEFT JOIN unnest(acc_id) WITH ORDINALITY AS m (account_id, ix) USING (account_id);
    END IF;

    FOR i IN 1..n LOOP
        v_code := ok;
        v_leg := 0;
        v_kind := c_kind[i];
        legs_from := legs_to + 1;
        legs_to := legs_to + c_legs[i];
        o := o_next;
        WHILE o_next <= opening_count AND o_command[o_next] = i LOOP
            o_next := o_next + 1;
        END LOOP;
        WHILE k <= lane_count AND lane_id[k] < c_lane[i] LOOP
            k := k + 1;
        END LOOP;

        -- Seen before? Then nothing happens, and the answer says whether it was the same.
        IF k > lane_count OR lane_id[k] <> c_lane[i] OR lane_tenant[k] <> c_tenant[i] THEN
            code[i] := unknown_lane;
            CONTINUE;
        END IF;
        j := first_seen[i];
        IF seen_position[i] > 0 OR (j < i AND code[j] = ok) THEN
            IF seen_position[i] > 0 THEN
                v_total := seen_digest[i];
                "position"[i] := seen_position[i];
                recorded_at[i] := seen_at[i];
            ELSE
                v_total := c_digest[j];
                "position"[i] := "position"[j];
                recorded_at[i] := recorded_at[j];
            END IF;
            IF v_total = c_digest[i] THEN
                code[i] := already_exists;
            ELSIF v_kind IN (kind_end, kind_expire) THEN
                code[i] := hold_ended;
            ELSE
                code[i] := id_conflict;
            END IF;
            CONTINUE;
        END IF;

        -- Check everything; change nothing yet.
        IF v_kind IN (kind_end, kind_expire) THEN
            IF NOT hold_open[i] THEN
                j := first_hold[i];
                IF j < i AND c_kind[j] = kind_hold AND code[j] IN (ok, already_exists) THEN
                    v_code := resend;
                ELSE
                    v_code := unknown_hold;
                END IF;
            ELSIF v_kind = kind_expire AND hold_deadline[i] > v_now THEN
                v_code := not_due;
            ELSIF c_money[i] < 0 OR c_requests[i] < 0 OR c_tokens[i] < 0 OR c_allowance[i] < 0
                OR c_money[i] > amount_max OR c_requests[i] > amount_max
                OR c_tokens[i] > amount_max OR c_allowance[i] > amount_max THEN
                v_code := out_of_range;
            END IF;
        ELSE
            IF c_day[i] < v_today - 7 OR c_day[i] > v_today + 1 THEN
                v_code := bad_day;
            ELSIF c_money[i] < 0 OR c_money[i] > amount_max THEN
                v_code := out_of_range;
            END IF;
            IF v_code = ok THEN
                FOR j IN legs_from..legs_to LOOP
                    a := l_ix[j];
                    v_op := l_op[j];
                    v_amount := l_amount[j];
                    v_leg := j - legs_from + 1;
                    IF a = 0 OR acc_lane[a] <> c_lane[i] OR acc_tenant[a] <> c_tenant[i] THEN
                        v_code := unknown_account;
                        EXIT;
                    END IF;
                    IF NOT acc_exists[a] THEN
                        v_code := unknown_account;
                        FOR p IN o..o_next - 1 LOOP
                            IF o_ix[p] = a THEN
                                v_code := ok;
                            END IF;
                        END LOOP;
                        EXIT WHEN v_code <> ok;
                    END IF;
                    IF v_amount > amount_max OR v_amount < -amount_max THEN
                        v_code := out_of_range;
                    ELSIF v_kind = kind_hold THEN
                        IF v_amount < 0 THEN
                            v_code := out_of_range;
                        ELSIF NOT acc_open[a] THEN
                            v_code := account_closed;
                        ELSIF acc_expires[a] <= v_now THEN
                            v_code := account_expired;
                        ELSIF l_floor[j] <> no_floor AND acc_posted[a] - acc_held[a] - v_amount < l_floor[j] THEN
                            v_code := limit_exceeded;
                        ELSIF acc_held[a] + v_amount > 4 * amount_max THEN
                            v_code := out_of_range;
                        END IF;
                    ELSIF v_op = op_post THEN
                        IF abs(acc_posted[a] + v_amount) > 4 * amount_max THEN
                            v_code := out_of_range;
                        ELSIF v_amount < 0 AND l_floor[j] <> no_floor
                            AND acc_posted[a] - acc_held[a] + v_amount < l_floor[j] THEN
                            v_code := limit_exceeded;
                        END IF;
                    ELSIF v_op = op_expect THEN
                        IF acc_posted[a] <> l_floor[j] THEN
                            v_code := version_mismatch;
                        END IF;
                    ELSIF v_op = op_drain THEN
                        IF acc_expires[a] > v_now OR acc_posted[a] <= acc_held[a] THEN
                            v_code := not_due;
                        END IF;
                    END IF;
                    EXIT WHEN v_code <> ok;
                END LOOP;
            END IF;
            IF v_code = ok THEN
                v_leg := 0;
                IF c_money[i] > 0 AND c_strict[i] THEN
                    v_total := 0;
                    FOR p IN pool_from[i]..pool_to[i] LOOP
                        IF acc_exists[p] AND acc_open[p] AND acc_expires[p] > v_now AND acc_lane[p] = c_lane[i] THEN
                            v_amount := acc_posted[p] - acc_held[p] - acc_floor[p];
                            IF v_amount > 0 OR acc_credit_line[p] THEN
                                v_total := least(v_total + v_amount, 4 * amount_max);
                            END IF;
                        END IF;
                    END LOOP;
                    IF v_total < c_money[i] THEN
                        v_code := insufficient;
                    END IF;
                ELSIF c_money[i] > 0 AND pool_to[i] < pool_from[i] THEN
                    v_code := unknown_account;
                END IF;
            END IF;
        END IF;

        -- Nothing below refuses.
        IF v_code <> ok THEN
            code[i] := v_code;
            leg[i] := v_leg;
        ELSE
            v_accepted := v_accepted + 1;
            lane_head[k] := lane_head[k] + 1;
            v_at := greatest(v_now, lane_at[k] + interval '1 microsecond');
            lane_at[k] := v_at;
            "position"[i] := lane_head[k];
            recorded_at[i] := v_at;
            eff_from[i] := eff + 1;
            FOR p IN o..o_next - 1 LOOP
                a := o_ix[p];
                IF NOT acc_exists[a] THEN
                    acc_exists[a] := true;
                    acc_opening[a] := p;
                    acc_made_at[a] := v_at;
                    v_made := v_made + 1;
                END IF;
            END LOOP;
            v_left := c_money[i];

            IF v_kind = kind_hold THEN
                nh_from[i] := nh + 1;
                FOR j IN legs_from..legs_to LOOP
                    a := l_ix[j];
                    v_amount := l_amount[j];
                    acc_held[a] := acc_held[a] + v_amount;
                    acc_changed[a] := true;
                    eff := eff + 1;
                    eff_account[eff] := acc_id[a];
                    eff_posted[eff] := 0;
                    eff_held[eff] := v_amount;
                    nh := nh + 1;
                    nh_account[nh] := acc_id[a];
                    nh_unit[nh] := l_op[j];
                    nh_pooled[nh] := false;
                    nh_amount[nh] := v_amount;
                END LOOP;
                FOR p IN pool_from[i]..pool_to[i] LOOP
                    EXIT WHEN v_left = 0;
                    IF acc_exists[p] AND acc_open[p] AND acc_expires[p] > v_now AND acc_lane[p] = c_lane[i] THEN
                        v_take := least(acc_posted[p] - acc_held[p] - acc_floor[p], v_left);
                        IF v_take > 0 THEN
                            v_left := v_left - v_take;
                            acc_held[p] := acc_held[p] + v_take;
                            acc_changed[p] := true;
                            eff := eff + 1;
                            eff_account[eff] := acc_id[p];
                            eff_posted[eff] := 0;
                            eff_held[eff] := v_take;
                            nh := nh + 1;
                            nh_account[nh] := acc_id[p];
                            nh_unit[nh] := unit_money;
                            nh_pooled[nh] := true;
                            nh_amount[nh] := v_take;
                        END IF;
                    END IF;
                END LOOP;
                nh_to[i] := nh;
                deadline[i] := v_at + make_interval(secs => c_timeout[i]);
            ELSE
                IF v_kind IN (kind_end, kind_expire) THEN
                    ended := ended || c_hold[i];
                    FOR j IN hold_from[i]..hold_to[i] LOOP
                        a := hl_ix[j];
                        IF hl_pooled[j] THEN
                            v_take := least(hl_amount[j], v_left);
                            v_left := v_left - v_take;
                        ELSE
                            v_op := hl_unit[j];
                            v_take := CASE v_op
                                WHEN unit_money THEN c_money[i]
                                WHEN unit_requests THEN c_requests[i]
                                WHEN unit_tokens THEN c_tokens[i]
                                WHEN unit_allowance THEN c_allowance[i]
                                ELSE 0
                            END;
                        END IF;
                        -- A purged window has no row left; its hold ended long after everything it could limit.
                        IF a > 0 THEN
                            acc_posted[a] := acc_posted[a] - v_take;
                            acc_held[a] := acc_held[a] - hl_amount[j];
                            acc_changed[a] := true;
                        END IF;
                        eff := eff + 1;
                        eff_account[eff] := hl_account[j];
                        eff_posted[eff] := -v_take;
                        eff_held[eff] := -hl_amount[j];
                    END LOOP;
                ELSE
                    FOR j IN legs_from..legs_to LOOP
                        a := l_ix[j];
                        v_op := l_op[j];
                        v_amount := 0;
                        acc_changed[a] := true;
                        IF v_op IN (op_post, op_expect) THEN
                            v_amount := l_amount[j];
                        ELSIF v_op = op_close THEN
                            acc_open[a] := false;
                        ELSIF v_op = op_open THEN
                            acc_open[a] := true;
                        ELSIF v_op = op_floor THEN
                            acc_floor[a] := l_amount[j];
                        ELSIF v_op = op_drain THEN
                            v_amount := acc_held[a] - acc_posted[a];
                        ELSIF v_op = op_repay THEN
                            -- New credit first pays what an overrun left owing on the wallet's credit line.
                            p := pool_to[i];
                            IF p > 0 AND acc_credit_line[p] AND acc_posted[p] < 0 THEN
                                v_take := least(-acc_posted[p], greatest(acc_posted[a] - acc_held[a], 0));
                                v_amount := -v_take;
                                acc_posted[p] := acc_posted[p] + v_take;
                                acc_changed[p] := true;
                                eff := eff + 1;
                                eff_account[eff] := acc_id[p];
                                eff_posted[eff] := v_take;
                                eff_held[eff] := 0;
                            END IF;
                        END IF;
                        IF v_amount <> 0 THEN
                            acc_posted[a] := acc_posted[a] + v_amount;
                            eff := eff + 1;
                            eff_account[eff] := acc_id[a];
                            eff_posted[eff] := v_amount;
                            eff_held[eff] := 0;
                        END IF;
                    END LOOP;
                END IF;

                -- What the hold did not cover (or a one-phase charge) burns what is left, the credit line last and without
                -- a floor: what a vendor metered is owed.
                IF v_left > 0 AND pool_to[i] >= pool_from[i] THEN
                    FOR p IN pool_from[i]..pool_to[i] LOOP
                        EXIT WHEN v_left = 0;
                        v_take := 0;
                        IF acc_credit_line[p] AND p = pool_to[i] THEN
                            v_take := v_left;
                        ELSIF acc_exists[p] AND acc_open[p] AND acc_expires[p] > v_now THEN
                            v_take := least(acc_posted[p] - acc_held[p], v_left);
                        END IF;
                        IF v_take > 0 THEN
                            v_left := v_left - v_take;
                            acc_posted[p] := acc_posted[p] - v_take;
                            acc_changed[p] := true;
                            eff := eff + 1;
                            eff_account[eff] := acc_id[p];
                            eff_posted[eff] := -v_take;
                            eff_held[eff] := 0;
                        END IF;
                    END LOOP;
                END IF;
            END IF;
            eff_to[i] := eff;
        END IF;

        v_total := 0;
        FOR p IN pool_from[i]..pool_to[i] LOOP
            IF acc_exists[p] AND acc_expires[p] > v_now THEN
                v_total := greatest(least(v_total + acc_posted[p] - acc_held[p], 4 * amount_max), -4 * amount_max);
            END IF;
        END LOOP;
        balance[i] := v_total;
    END LOOP;

    IF v_accepted = 0 THEN
        RETURN;
    END IF;

    UPDATE ledger.account AS s
    SET posted = u.posted, held = u.held, open = u.open, pool_floor = u.pool_floor,
        spent = s.pool_id IS NOT NULL AND NOT s.credit_line AND u.posted = 0 AND u.held = 0
    FROM unnest(acc_id, acc_tenant, acc_lane, acc_posted, acc_held, acc_open, acc_floor, acc_changed, acc_opening)
        AS u (account_id, tenant_id, lane, posted, held, open, pool_floor, changed, opening)
    WHERE s.account_id = u.account_id AND s.tenant_id = u.tenant_id AND s.lane = u.lane
        AND s.account_id = ANY (acc_id) AND s.tenant_id = ANY (lane_tenant)
        AND u.changed AND u.opening = 0;

    IF v_made > 0 THEN
        INSERT INTO ledger.account (account_id, tenant_id, lane, name, unit, posted, held, open, opened_at, expires_at,
            purge_at, pool_id, credit_line, priority, pool_floor, spent)
        SELECT u.account_id, u.tenant_id, u.lane, w.name, w.unit, u.posted, u.held, u.open, u.made_at, w.expires_at,
            w.purge_at, nullif(w.pool_id, no_pool), w.credit_line, w.priority, u.pool_floor,
            w.pool_id <> no_pool AND NOT w.credit_line AND u.posted = 0 AND u.held = 0
        FROM unnest(acc_id, acc_tenant, acc_lane, acc_posted, acc_held, acc_open, acc_made_at, acc_floor, acc_exists,
            acc_opening) AS u (account_id, tenant_id, lane, posted, held, open, made_at, pool_floor, made, opening)
        JOIN unnest(o_name, o_unit, o_expires, o_purge, o_pool, o_credit_line, o_priority) WITH ORDINALITY
            AS w (name, unit, expires_at, purge_at, pool_id, credit_line, priority, ord) ON w.ord = u.opening
        WHERE u.made;
    END IF;

    IF nh > 0 THEN
        WITH f AS MATERIALIZED (SELECT nh_account AS a, nh_unit AS u, nh_pooled AS p, nh_amount AS m)
        INSERT INTO ledger.hold (hold_id, tenant_id, lane, day, deadline, pool_id, accounts, units, pooled, amounts)
        SELECT c.hold_id, c.tenant_id, c.lane, c.day, c.deadline, c.pool_id,
            f.a[c.lo:c.hi], f.u[c.lo:c.hi], f.p[c.lo:c.hi], f.m[c.lo:c.hi]
        FROM unnest(c_hold, c_tenant, c_lane, c_day, deadline, c_pool, nh_from, nh_to, c_kind, code)
            AS c (hold_id, tenant_id, lane, day, deadline, pool_id, lo, hi, kind, code), f
        WHERE c.kind = 1 AND c.code = 0;
    END IF;

    IF ended <> '{}' THEN
        DELETE FROM ledger.hold AS h WHERE h.hold_id = ANY (ended) AND h.tenant_id = ANY (lane_tenant);
    END IF;

    WITH f AS MATERIALIZED (SELECT eff_account AS a, eff_posted AS p, eff_held AS h)
    INSERT INTO ledger.event (event_id, tenant_id, day, lane, position, recorded_at, correlation_id, causation_id, digest,
        type, actor, data, account_ids, posted, held)
    SELECT c.event_id, c.tenant_id, c.day, c.lane, c.position, c.recorded_at, c.correlation_id, c.causation_id, c.digest,
        c.type, c.actor, c.data, f.a[c.lo:c.hi], f.p[c.lo:c.hi], f.h[c.lo:c.hi]
    FROM unnest(c_event, c_tenant, c_day, c_lane, "position", recorded_at, c_correlation, c_causation, c_digest, c_type,
        c_actor, c_data, eff_from, eff_to, code)
        AS c (event_id, tenant_id, day, lane, position, recorded_at, correlation_id, causation_id, digest, type, actor,
            data, lo, hi, code), f
    WHERE c.code = 0;

    UPDATE ledger.lane AS l SET head = u.head, last_at = u.last_at
    FROM unnest(lane_id, lane_tenant, lane_head, lane_at) AS u (lane, tenant_id, head, last_at)
    WHERE l.lane = u.lane AND l.tenant_id = u.tenant_id AND l.lane = ANY (lane_id) AND l.tenant_id = ANY (lane_tenant)
        AND l.head < u.head;
END
$$;
