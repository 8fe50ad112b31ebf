-- What sessions and personal access tokens are told apart by, when a session's password was last asked for, where a token
-- may be used from, and the browsers that a person has logged in with before.

ALTER TABLE admin.session ADD COLUMN session_id uuid NOT NULL DEFAULT gen_random_uuid();

-- Until it is asked for again a session moves no money and shows no secret; logging in counts.
ALTER TABLE admin.session ADD COLUMN confirmed_at timestamptz NOT NULL DEFAULT now();

-- CIDR blocks; none is everywhere.
ALTER TABLE admin.personal_token ADD COLUMN networks text[] NOT NULL DEFAULT '{}';

-- A browser that knew the password once, by the SHA-256 of its cookie: others' failures do not make it wait.
CREATE TABLE admin.device (
    device_hash text NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL,
    seen_at timestamptz NOT NULL
);

CREATE INDEX device_of_user ON admin.device (user_id, seen_at);
