-- The orders of lists beside the newest first: by name, and by the last change.

CREATE INDEX entity_by_name ON admin.entity (kind, name COLLATE "C", entity_id);

CREATE INDEX entity_by_update ON admin.entity (kind, updated_at, entity_id);
