-- Two looks into the request log that would otherwise read all of a range: a request by its id, and the requests whose price
-- depends on more than sums tell, for trying other prices on a past range. The latter are few: app/reports/what_if.py has
-- the same condition.

CREATE INDEX request_log_request ON projection.request_log (request_id);

CREATE INDEX request_log_special ON projection.request_log (recorded_at, tenant_id)
WHERE input_tokens + cached_input_tokens + cache_write_tokens + audio_input_tokens + image_input_tokens >= 32768
    OR images > 0;
