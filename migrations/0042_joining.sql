-- Links that are good for one thing once, and the e-mails that carry them.

-- Known by the SHA-256 of a secret that is in the link only. Of the platform, for who follows it belongs nowhere yet.
CREATE TABLE admin.link (
    link_id uuid NOT NULL PRIMARY KEY,
    secret_hash text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('invitation', 'password_reset', 'sign_up')),
    login text NOT NULL,
    for_tenant bigint,
    role text,
    made_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE INDEX link_for_tenant ON admin.link (for_tenant, created_at) WHERE for_tenant IS NOT NULL;

CREATE INDEX link_expiry ON admin.link (expires_at);

-- What is to be sent. A row stays until its mail was taken by the mail server, or was given up; it holds no secret: the link
-- is made as the mail is.
CREATE TABLE admin.mail (
    mail_id uuid NOT NULL PRIMARY KEY,
    kind text NOT NULL,
    recipient text NOT NULL,
    for_tenant bigint,
    role text,
    made_by text NOT NULL,
    created_at timestamptz NOT NULL,
    next_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    done_at timestamptz
);

CREATE INDEX mail_due ON admin.mail (next_at) WHERE done_at IS NULL;
