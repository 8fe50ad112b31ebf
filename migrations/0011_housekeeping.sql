-- What the housekeeper looks for, and the one deletion that the ledger allows.

CREATE INDEX account_expiry ON ledger.account (expires_at)
WHERE pool_id IS NOT NULL AND NOT spent AND expires_at < 'infinity';

-- Delete windows of a lane that nothing can count on any more. Under the lane's lock, so that no batch that is being applied
-- has read what goes here. A window that is wanted again all the same is opened anew, at zero.
CREATE FUNCTION ledger.purge_windows(p_tenant bigint, p_lane bigint, p_limit integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_gone integer;
BEGIN
    PERFORM FROM ledger.lane WHERE lane.lane = p_lane AND lane.tenant_id = p_tenant FOR UPDATE;
    DELETE FROM ledger.account AS a
    WHERE a.tenant_id = p_tenant AND a.lane = p_lane AND a.account_id = ANY (ARRAY(
        SELECT s.account_id FROM ledger.account AS s
        WHERE s.tenant_id = p_tenant AND s.lane = p_lane AND s.purge_at < now() AND s.held = 0
            AND s.pool_id IS NULL
        ORDER BY s.purge_at LIMIT p_limit
    ));
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END
$$;
