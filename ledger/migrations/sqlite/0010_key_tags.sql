-- What an operator marks a key's requests with: a JSON object of texts. Keys made before have none.
ALTER TABLE keys ADD COLUMN tags TEXT NOT NULL DEFAULT '{}';
