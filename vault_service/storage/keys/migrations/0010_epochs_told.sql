-- How high the trail tells a user's epoch to be is asked wherever it rises. Without this, whoever has signed in a
-- million times could not change the password any more: all of that user's events would be read.
-- The kinds are those of TELL_THE_EPOCH (storage/keys/events.py), which names them in its statements as well.
CREATE INDEX audit_events_that_tell_the_epoch ON audit_events (user_id, epoch)
  WHERE kind IN (6, 12, 57, 58, 69, 92);
