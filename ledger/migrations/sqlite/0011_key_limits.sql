-- How much a key may take: a JSON object of numbers and decimal texts. Keys made before have no limits of
-- their own.
ALTER TABLE keys ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
