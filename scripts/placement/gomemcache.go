// Which server does gomemcache's selector say? Lines in, one index a line out: see scripts/golden-placement.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/bradfitz/gomemcache/memcache"
)

func main() {
	var addresses []string
	var selector memcache.ServerList
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		words := strings.Fields(input.Text())
		switch words[0] {
		case "node":
			addresses = append(addresses, words[1]+":"+words[2])
			if err := selector.SetServers(addresses...); err != nil {
				panic(err)
			}
		case "key":
			key, err := hex.DecodeString(words[1])
			if err != nil {
				panic(err)
			}
			server, err := selector.PickServer(string(key))
			if err != nil {
				panic(err)
			}
			for index, address := range addresses {
				if address == server.String() {
					fmt.Println(index)
				}
			}
		}
	}
}
