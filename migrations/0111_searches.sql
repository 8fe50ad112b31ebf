-- Searches that vendors make for an answer and bill one by one.
ALTER TABLE projection.request_log ADD COLUMN searches bigint NOT NULL DEFAULT 0;

ALTER TABLE projection.usage_hourly ADD COLUMN searches bigint NOT NULL DEFAULT 0;

ALTER TABLE projection.usage_hour_tenant ADD COLUMN searches bigint NOT NULL DEFAULT 0;

ALTER TABLE projection.usage_hour_route ADD COLUMN searches bigint NOT NULL DEFAULT 0;

ALTER TABLE projection.usage_day ADD COLUMN searches bigint NOT NULL DEFAULT 0;
