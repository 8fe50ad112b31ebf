-- What is rare in the request log is found without reading all of it: for each 16 pages of a day (some two hundred rows) this
-- says which values may be in them, and between which bounds figures lie. Rows come in order of time, so that a stretch that has
-- nothing of what is looked for is passed over by one look. It costs a writer nothing that can be measured (a stretch is
-- summed up when it is vacuumed, at 1.6 µs of CPU a row), and a hundredth of the log's size.
--
-- Bloom filters are as large as the values that such a stretch has: kinds are few, keys and people more.

CREATE INDEX request_log_zones ON projection.request_log USING brin (
    state text_bloom_ops (n_distinct_per_range = 8),
    token_id text_bloom_ops (n_distinct_per_range = 128),
    user_id text_bloom_ops (n_distinct_per_range = 128),
    surface text_bloom_ops (n_distinct_per_range = 8),
    model_asked text_bloom_ops (n_distinct_per_range = 32),
    model_routed text_bloom_ops (n_distinct_per_range = 32),
    model_billed text_bloom_ops (n_distinct_per_range = 32),
    channel_id text_bloom_ops (n_distinct_per_range = 32),
    outcome text_bloom_ops (n_distinct_per_range = 8),
    code text_bloom_ops (n_distinct_per_range = 8),
    basis text_bloom_ops (n_distinct_per_range = 8),
    card_id text_bloom_ops (n_distinct_per_range = 8),
    multiplier_id text_bloom_ops (n_distinct_per_range = 16),
    limit_name text_bloom_ops (n_distinct_per_range = 8),
    status int4_bloom_ops (n_distinct_per_range = 8),
    card_version int4_bloom_ops (n_distinct_per_range = 8),
    multiplier numeric_bloom_ops (n_distinct_per_range = 16),
    attempts,
    latency_milliseconds,
    first_byte_milliseconds,
    input_tokens,
    cached_input_tokens,
    output_tokens,
    reasoning_tokens,
    captured_nanos,
    allowance_nanos,
    overrun_nanos,
    cost_nanos,
    (captured_nanos - cost_nanos),
    (input_tokens + cached_input_tokens + cache_write_tokens + cache_write_1h_tokens + audio_input_tokens
        + image_input_tokens + output_tokens + reasoning_tokens + audio_output_tokens + image_output_tokens)
) WITH (pages_per_range = 16);

-- Figures of the two sums are there only for what has been looked at since: of past days nobody would otherwise.
ANALYZE projection.request_log;
