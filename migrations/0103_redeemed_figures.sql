-- How much of a batch of codes was redeemed is added up from an index alone.

CREATE INDEX redemptions_figures ON projection.redemptions (batch_id, position)
INCLUDE (tenant_id, generation, redeemed_for, amount_nanos, redeemed_at);

DROP INDEX projection.redemptions_of_batch;
