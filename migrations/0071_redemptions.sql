-- Who redeemed which code of a batch: folded by projections/redemptions.py from the claims in the platform's lane.
CREATE TABLE projection.redemptions (
    position bigint NOT NULL,
    tenant_id bigint NOT NULL,
    generation integer NOT NULL,
    batch_id text NOT NULL,
    code_hash text NOT NULL,
    redeemed_for bigint NOT NULL,
    user_id text NOT NULL,
    grant_id text NOT NULL,
    amount_nanos bigint NOT NULL,
    redeemed_at timestamptz NOT NULL,
    PRIMARY KEY (position, tenant_id, generation)
);

CREATE INDEX redemptions_of_batch ON projection.redemptions (batch_id, position);
