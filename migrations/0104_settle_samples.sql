-- How long the end of a request took into the ledger, for the plot of it beside the other samples of a node.

ALTER TABLE admin.node_sample ADD COLUMN settle_milliseconds integer NOT NULL DEFAULT 0;
