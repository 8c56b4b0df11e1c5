def handler(event:, context:)
  puts "doing #{event['id']}"
  sleep rand * 0.005
  case event['what']
  when 'fail' then raise ArgumentError, event['id']
  when 'exit' then exit! 3
  when 'sleep' then sleep 60
  end
  { id: event['id'] }
end
