-- The changes of all channels' health by time, for pages that show them side by side.
CREATE INDEX channel_timeline_time ON routing.channel_timeline (at) WHERE kind = 'changed';
