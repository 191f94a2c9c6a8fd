-- Officers look in this trail for what happened when.
CREATE INDEX audit_events_of_kind ON audit_events (kind, at);
CREATE INDEX audit_events_at ON audit_events USING brin (at) WITH (autosummarize = on);
