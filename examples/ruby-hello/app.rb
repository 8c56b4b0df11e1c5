# frozen_string_literal: true

LOGGER = Logger.new($stdout)

def handler(event:, context:)
  name = event['name'] || 'world'
  LOGGER.info("greeting #{name}, #{context.get_remaining_time_in_millis} ms left")
  { message: "Hello, #{name}!", from: "Ruby #{RUBY_VERSION}" }
end
