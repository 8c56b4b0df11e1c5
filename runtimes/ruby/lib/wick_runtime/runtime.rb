# frozen_string_literal: true

require 'json'
require_relative 'api'
require_relative 'context'
require_relative 'errors'
require_relative 'handler'
require_relative 'log'

module WickRuntime
  # The life of the process: boot, become a function, serve its events.
  class Runtime
    # Statuses of the process. Source: AWS's Ruby runtime.
    EXIT_CRITICAL = -1
    EXIT_INIT = -4

    # Runs until the instance goes away.
    def self.main
      $stdout.sync = true
      stem = ENV.delete('WICK_STEM')
      framed = ENV.delete('WICK_LOG_FRAMES') == '1' || !stem.nil?
      if stem
        api = RuntimeAPI.inherit(stem.to_i)
        GC.start # what loading left behind isn't kept in every stem
        become(JSON.parse(api.assignment).fetch('env'))
      else
        api = RuntimeAPI.connect(ENV.fetch('AWS_LAMBDA_RUNTIME_API'))
      end
      Log.install if framed
      new(api).serve
    rescue Disconnected
      exit!(1)
    end

    # Takes on a function's environment, exactly.
    def self.become(env)
      ENV.replace(env)
      Gem.clear_paths
      Dir.chdir(env.fetch('LAMBDA_TASK_ROOT'))
    end

    def initialize(api)
      @api = api
    end

    def serve
      search_path
      handler = load_handler(ENV.fetch('_HANDLER'))
      loop { invoke(handler, @api.next) }
    end

    private

    # The function's folders come before Ruby's own library, also where that was named on
    # the command line or the variable wasn't there when Ruby started.
    def search_path
      Encoding.default_external = Encoding::UTF_8 if ENV['LANG'].to_s.match?(/utf-?8/i)
      folders = ENV['RUBYLIB'].to_s.split(':').reject(&:empty?)
      $LOAD_PATH.replace(folders + ($LOAD_PATH - folders))
      $LOAD_PATH.unshift(Dir.pwd) unless $LOAD_PATH.include?(Dir.pwd)
    end

    def load_handler(name)
      handler = LambdaHandler.new(env_handler: name)
      require handler.handler_file_name
      handler
    rescue Exception => e # rubocop:disable Lint/RescueException -- whatever the file raises, exit included
      advise(e)
      fault = Fault.new(e, 'Init')
      log('Init error when loading handler ', fault)
      @api.fail_init(JSON.generate(fault.to_h), fault.error_type)
      exit(EXIT_INIT)
    end

    # AWS's image has the SDK, Wick gets it when asked.
    def advise(error)
      return unless error.is_a?(LoadError) && error.path.to_s.start_with?('aws-sdk')

      puts "This Wick doesn't have #{error.path}, which AWS's runtime carries: `wick runtimes install sdk` gets it."
    end

    def invoke(handler, event)
      id = $_global_aws_request_id = event['Lambda-Runtime-Aws-Request-Id']
      trace = event['Lambda-Runtime-Trace-Id']
      ENV['_X_AMZN_TRACE_ID'] = trace if trace
      begin
        request = AwsLambda::Marshaller.marshall_request(event)
        body, content_type = handler.call_handler(request: request, context: LambdaContext.new(event))
      rescue NameError => e # a NoMethodError is one: the code itself is wrong
        critical(id, e)
      rescue StandardError => e
        report(id, Fault.new(e, 'Function'), 'Error raised from handler method')
      rescue Exception => e # rubocop:disable Lint/RescueException -- exit and signals, too
        critical(id, e)
      else
        @api.respond(id, body, content_type)
      end
    end

    # Answers with an error and ends the process.
    def critical(id, error)
      report(id, Fault.new(error, 'Function'), 'Critical exception from handler')
      @api.flush
      exit(EXIT_CRITICAL)
    end

    def report(id, fault, title)
      log(title, fault)
      @api.fail(id, JSON.generate(fault.to_h), fault.error_type, fault.xray_cause)
    end

    def log(title, fault)
      puts title
      puts JSON.pretty_generate(fault.to_h)
    end
  end
end
