-- The newest chunks of one stream, whatever else its group has.
CREATE INDEX log_chunks_stream_newest ON log_chunks (stream_id, last_ms);
