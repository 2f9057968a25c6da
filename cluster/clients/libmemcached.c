/* libmemcached on the nodes of ../cluster.yaml. Strategy ketama-weighted.
   cc libmemcached.c -lmemcached */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **keys) {
  memcached_st *client = memcached_create(NULL);
  memcached_behavior_set(client, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
  memcached_server_add(client, "127.0.0.1", 11311);
  memcached_server_add(client, "127.0.0.1", 11312);
  memcached_server_add(client, "127.0.0.1", 11313);
  for (int i = 1; i < count; i++) {
    printf("%s\t%c\n", keys[i], "abc"[memcached_generate_hash(client, keys[i], strlen(keys[i]))]);
  }
  memcached_free(client);
  return 0;
}
