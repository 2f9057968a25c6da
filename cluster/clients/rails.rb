# Rails' sessions on the nodes of ../cluster.yaml: a part of config/environments/production.rb.
# Strategy dalli, whatever the definition says; the namespace is part of the key. Dalli from 3.2 on, which speaks the
# binary protocol unless it is told; sojournd speaks both. A restart and a dead node: README.md.
config.cache_store = :mem_cache_store,
                     '127.0.0.1:11311', '127.0.0.1:11312', '127.0.0.1:11313',
                     { protocol: :meta, namespace: 'shop', failover: false, socket_timeout: 1 }
config.session_store :cache_store, key: '_shop_session', expire_after: 1.day
