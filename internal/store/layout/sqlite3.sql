-- The latest events of one model are asked for, and may be far apart.
CREATE INDEX journal_of_model ON journal (model);
