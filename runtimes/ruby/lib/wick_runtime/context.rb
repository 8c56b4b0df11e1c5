# frozen_string_literal: true

require 'json'

# The context object a handler gets.
#
# Source: AWS Lambda developer guide, Ruby context object.
class LambdaContext
  attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name,
              :function_name, :memory_limit_in_mb, :function_version,
              :identity, :tenant_id, :client_context, :deadline_ms

  def initialize(event)
    @aws_request_id = event['Lambda-Runtime-Aws-Request-Id']
    @invoked_function_arn = event['Lambda-Runtime-Invoked-Function-Arn']
    @deadline_ms = event['Lambda-Runtime-Deadline-Ms'].to_i
    @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
    @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
    @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
    @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
    @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
    @identity = parsed(event['Lambda-Runtime-Cognito-Identity'])
    @client_context = parsed(event['Lambda-Runtime-Client-Context'])
    tenant = event['Lambda-Runtime-Aws-Tenant-Id'].to_s
    @tenant_id = tenant unless tenant.empty?
    # What the clock is set to meanwhile doesn't change how much time is left.
    wall = Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)
    @ends = steady + @deadline_ms - wall
  end

  # Milliseconds until the invocation times out, never below 0.
  def get_remaining_time_in_millis # rubocop:disable Naming/AccessorMethodName -- AWS's name
    [@ends - steady, 0].max
  end

  private

  def steady
    Process.clock_gettime(Process::CLOCK_MONOTONIC, :millisecond)
  end

  def parsed(text)
    JSON.parse(text) unless text.to_s.empty?
  end
end
