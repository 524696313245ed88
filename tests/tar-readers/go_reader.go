// Lists the files of an archive as archive/tar reads them: name, size and SHA-256.
package main

import (
	"archive/tar"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"os"
)

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	reader := tar.NewReader(file)
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		sum := sha256.New()
		size, err := io.Copy(sum, reader)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\t%d\t%x\n", header.Name, size, sum.Sum(nil))
	}
}
