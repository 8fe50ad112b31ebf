-- Tokens that a vendor's cache keeps for an hour are a class of their own. Events from before have them among the other
-- cache writes, which is how they were charged.
ALTER TABLE projection.request_log ADD COLUMN cache_write_1h_tokens bigint NOT NULL DEFAULT 0;

ALTER TABLE projection.usage_hourly ADD COLUMN cache_write_1h_tokens bigint NOT NULL DEFAULT 0;

ALTER TABLE projection.usage_hour_tenant ADD COLUMN cache_write_1h_tokens bigint NOT NULL DEFAULT 0;

ALTER TABLE projection.usage_hour_route ADD COLUMN cache_write_1h_tokens bigint NOT NULL DEFAULT 0;

ALTER TABLE projection.usage_day ADD COLUMN cache_write_1h_tokens bigint NOT NULL DEFAULT 0;

-- As app/reports/what_if.py has it: all that was read.
DROP INDEX projection.request_log_special;

CREATE INDEX request_log_special ON projection.request_log (recorded_at, tenant_id)
WHERE input_tokens + cached_input_tokens + cache_write_tokens + cache_write_1h_tokens + audio_input_tokens
    + image_input_tokens >= 32768 OR images > 0;
