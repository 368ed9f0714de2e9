ruby em.rb
ruby async.rb
