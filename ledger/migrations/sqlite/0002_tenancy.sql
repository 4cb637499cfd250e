-- Who a key belongs to, and what its data usually is. Empty columns mean the house's own defaults, which
-- is what keys made before have; an older program goes on without them.
ALTER TABLE keys ADD COLUMN organisation TEXT;
ALTER TABLE keys ADD COLUMN team TEXT;
ALTER TABLE keys ADD COLUMN app TEXT;
ALTER TABLE keys ADD COLUMN data_class TEXT;            -- the word for it
ALTER TABLE keys ADD COLUMN may_declassify INTEGER NOT NULL DEFAULT 0;
