-- What of an error is the host's own, and what can be done about it. error is the
-- whole line, its end being error_detail.

ALTER TABLE results ADD COLUMN error_detail TEXT;
ALTER TABLE results ADD COLUMN error_hint TEXT;
ALTER TABLE attempts ADD COLUMN error_detail TEXT;
ALTER TABLE attempts ADD COLUMN error_hint TEXT;
