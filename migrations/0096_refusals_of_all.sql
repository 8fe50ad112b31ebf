-- Refusals of everybody and of all models have rows of their own from version 3 of the projection `pulse` on: nothing is looked for
-- by time alone any more.

DROP INDEX projection.refusal_hour_time;
