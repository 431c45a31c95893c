-- Finds the last runs that a principal submitted.
CREATE INDEX runs_principal ON runs (principal, id) WHERE state IN ('finished', 'interrupted') AND principal IS NOT NULL;
