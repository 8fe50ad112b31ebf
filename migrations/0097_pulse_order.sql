-- Who asks for models over all channels, or for channels over all models, reads just those rows, in the order of time: beside them
-- there are as many of each channel and model together as there are pairs.

CREATE INDEX pulse_models ON projection.pulse (tenant_id, minutes, channel_id, at);

CREATE INDEX pulse_channels ON projection.pulse (tenant_id, minutes, model, at);
