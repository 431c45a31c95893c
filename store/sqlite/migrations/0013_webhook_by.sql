-- Who set the webhook of a job, if who did may not act on the daemon's machine: then it
-- may lead to the public internet only, and is signed with the secret of who set it.
-- NULL: who may.
ALTER TABLE jobs ADD COLUMN webhook_by TEXT;
ALTER TABLE outbox ADD COLUMN set_by TEXT;
